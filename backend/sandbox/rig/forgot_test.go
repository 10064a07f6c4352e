package rig

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"usher/backend/api"
	"usher/session"
)

const localCode = "123456" // each code of cognito-local

// cognitoLocal starts a user pool by others and returns its endpoint.
func cognitoLocal(t *testing.T) string {
	t.Helper()
	script, err := filepath.Abs("node_modules/cognito-local/lib/bin/start.js")
	must(t, err)
	port := strconv.Itoa(freePort(t))
	cmd := exec.CommandContext(t.Context(), "node", script)
	cmd.Dir = t.TempDir() // for its database
	cmd.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+port, "CODE="+localCode, "NO_COLOR=1")
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "running on") {
				ready <- true
			}
		}
		close(ready)
	}()
	if !<-ready {
		t.Fatal("cognito-local does not start")
	}
	return "http://127.0.0.1:" + port
}

// usher's own client resets a forgotten password at cognito-local. cognito-local
// has no SRP, so the sign-in after the reset is one of Amazon's SDK.
func TestCognitoLocal(t *testing.T) {
	t.Parallel()
	endpoint, ctx := cognitoLocal(t), t.Context()
	owner := idp.New(idp.Options{Region: region, BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	made, err := owner.CreateUserPool(ctx, &idp.CreateUserPoolInput{PoolName: aws.String("rig"), UsernameAttributes: []types.UsernameAttributeType{types.UsernameAttributeTypeEmail}})
	must(t, err)
	app, err := owner.CreateUserPoolClient(ctx, &idp.CreateUserPoolClientInput{UserPoolId: made.UserPool.Id, ClientName: aws.String("rig"),
		ExplicitAuthFlows: []types.ExplicitAuthFlowsType{types.ExplicitAuthFlowsTypeAllowUserPasswordAuth}})
	must(t, err)
	const user, before, after = "ada@example.com", "Rig1-before-it", "Rig1-after-it"
	_, err = owner.AdminCreateUser(ctx, &idp.AdminCreateUserInput{UserPoolId: made.UserPool.Id, Username: aws.String(user), MessageAction: types.MessageActionTypeSuppress,
		UserAttributes: []types.AttributeType{{Name: aws.String("email"), Value: aws.String(user)}, {Name: aws.String("email_verified"), Value: aws.String("true")}}})
	must(t, err)
	_, err = owner.AdminSetUserPassword(ctx, &idp.AdminSetUserPasswordInput{UserPoolId: made.UserPool.Id, Username: aws.String(user), Password: aws.String(before), Permanent: true})
	must(t, err)
	signsIn := func(password string) error {
		_, err := owner.InitiateAuth(ctx, &idp.InitiateAuthInput{ClientId: app.UserPoolClient.ClientId, AuthFlow: types.AuthFlowTypeUserPasswordAuth,
			AuthParameters: map[string]string{"USERNAME": user, "PASSWORD": password}})
		return err
	}
	must(t, signsIn(before))

	in := localSignIn(t, endpoint, aws.ToString(app.UserPoolClient.ClientId))
	step, err := in.Forgot(ctx, user)
	if err != nil || step.Kind != session.NeedReset {
		t.Fatalf("step %d: %v", step.Kind, err)
	}
	t.Run("wrong code", func(t *testing.T) {
		if _, err := in.Reset(ctx, "000000", []byte(after)); !errors.Is(err, session.ErrCode) {
			t.Errorf("%v", err)
		}
		if err := signsIn(before); err != nil {
			t.Errorf("the password is not the old one: %v", err)
		}
	})
	t.Run("new password", func(t *testing.T) {
		if _, err := in.Reset(ctx, localCode, []byte(after)); errors.Is(err, session.ErrCode) || errors.Is(err, session.ErrPasswordRules) {
			t.Errorf("%v", err)
		}
		if err := signsIn(after); err != nil {
			t.Errorf("the new password: %v", err)
		}
		var refused interface{ ErrorCode() string } // InvalidPasswordException; NotAuthorizedException in Cognito
		if err := signsIn(before); !errors.As(err, &refused) || refused.ErrorCode() != "InvalidPasswordException" {
			t.Errorf("the old password: %v", err)
		}
	})
	// cognito-local reports an unknown person, like a client with legacy errors.
	t.Run("unknown person", func(t *testing.T) {
		other, err := localSignIn(t, endpoint, aws.ToString(app.UserPoolClient.ClientId)).Forgot(ctx, "nobody@example.com")
		if err != nil || !reflect.DeepEqual(other, step) {
			t.Errorf("%+v, %v", other, err)
		}
	})
}

// localSignIn returns a sign-in of usher's client at an endpoint.
func localSignIn(t *testing.T, endpoint, client string) *session.SignIn {
	t.Helper()
	config := api.Config{
		Organisation: "Rig", Region: region, UserPoolID: poolID, ClientID: client, Issuer: endpoint + "/" + poolID, CognitoEndpoint: endpoint,
		S3Hosts: []string{"127.0.0.1:9000"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(config)
	}))
	t.Cleanup(server.Close)
	profile, err := session.NewProfile("rig", server.URL, config)
	must(t, err)
	dir := t.TempDir()
	in, err := session.NewSignIn(session.Folders{Config: filepath.Join(dir, "config"), State: filepath.Join(dir, "state")}, profile,
		session.Options{Now: time.Now, Random: rand.Reader})
	must(t, err)
	t.Cleanup(in.Close)
	return in
}
