package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/sandbox"
	"usher/backend/serve"
)

// inTables starts a whole usher whose log, grants and state are in DynamoDB.
func inTables(t *testing.T) (*dynamotest.Server, *demotest.Demo) {
	t.Helper()
	db := dynamotest.New(t)
	return db, demotest.StartOn(t, func(box *sandbox.Sandbox) demotest.Storage {
		return demotest.Storage{Endpoint: box.Facts.S3Endpoint, DynamoDB: db.Endpoint()}
	})
}

// toLog reports whether a call writes to the log table.
func toLog(op string, body []byte) bool {
	return (op == "PutItem" || op == "TransactWriteItems") && bytes.Contains(body, []byte(`"TableName":"log"`))
}

// forbidden returns the reason why a call could change a recorded event, or "".
func forbidden(op string, body []byte) string {
	onLog := bytes.Contains(body, []byte(`"TableName":"log"`)) || bytes.Contains(body, []byte(`"log":[`))
	if op == "TransactWriteItems" {
		return forbiddenPart(body)
	}
	switch {
	case !onLog:
	case op == "UpdateItem" || op == "DeleteItem" || op == "BatchWriteItem":
		return "the log is never changed"
	case toLog(op, body) && !bytes.Contains(body, []byte(`attribute_not_exists`)) && !bytes.Contains(body, []byte(`"check"`)):
		return "a write without a condition can replace an item"
	}
	return ""
}

// forbiddenPart is forbidden for the parts of a transaction.
func forbiddenPart(body []byte) string {
	type part struct{ TableName, ConditionExpression string }
	var in struct {
		TransactItems []struct{ Put, Update, Delete *part }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return err.Error()
	}
	for _, w := range in.TransactItems {
		switch {
		case w.Update != nil && w.Update.TableName == "log", w.Delete != nil && w.Delete.TableName == "log":
			return "the log is never changed"
		case w.Put != nil && w.Put.TableName == "log" && !strings.Contains(w.Put.ConditionExpression, "attribute_not_exists"):
			return "a write without a condition can replace an item"
		}
	}
	return ""
}

// post makes one request, without retries.
func post(t *testing.T, a demotest.Actor, server string, verb api.Verb, in any) (status int, code api.Code, answer []byte) {
	t.Helper()
	token, err := a.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/v1/"+string(verb), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	var failed struct{ Error struct{ Code api.Code } }
	_ = json.Unmarshal(answer, &failed)
	return res.StatusCode, failed.Error.Code, answer
}

// objects returns n objects that need no HEAD.
func objects(name string, n int) api.ReleaseRequest {
	var in api.ReleaseRequest
	for i := range n {
		in.Objects = append(in.Objects, api.ReleaseObject{Bucket: "company-reports", Key: fmt.Sprintf("annual/%s-%d.csv", name, i), ETag: `"0123456789abcdef0123456789abcdef"`})
	}
	return in
}

// A release of 250 objects is one write. The audit log finds its events at once,
// by each field, and the summary counts them.
func TestAuditInDynamoDB(t *testing.T) {
	db, w := inTables(t)
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	if _, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "annual/"}); err != nil { // the session's start is recorded
		t.Fatal(err)
	}
	var writes atomic.Int64
	db.Fault(func(op string, _ int, body []byte) dynamotest.Fault {
		if toLog(op, body) {
			writes.Add(1)
		}
		if p := forbidden(op, body); p != "" {
			t.Errorf("%s: %s", op, p)
		}
		return dynamotest.Pass
	})
	out, err := ada.Release(t.Context(), objects("many", 250))
	if err != nil || len(out.Items) != 250 || out.Items[249].URL == "" {
		t.Fatalf("%d items: %v", len(out.Items), err)
	}
	if n := writes.Load(); n != 1 {
		t.Errorf("%d writes for one release, want 1", n)
	}
	for filter, want := range map[string]int{
		"who:ada action:download": 250, "path:=company-reports/annual/many-17.csv": 1, "path:company-reports/annual/many-1": 111,
		"id:" + out.Items[3].Event: 1, "outcome:denied": 0, "action:session-start who:ada": 1,
	} {
		found, err := grace.AuditQuery(t.Context(), api.AuditQueryRequest{Filter: filter, Limit: 1000})
		if err != nil || len(found.Events) != want || found.LagSeconds != 3 {
			t.Errorf("%s: %d events, want %d, lag %d s: %v", filter, len(found.Events), want, found.LagSeconds, err)
		}
	}
	sum, err := grace.AuditSummary(t.Context(), api.AuditSummaryRequest{Hours: 2})
	if err != nil || sum.Downloads != 250 || sum.People != 2 || sum.Events < 252 {
		t.Errorf("%+v: %v", sum, err)
	}
	report := api.CompleteRequest{Items: []api.CompleteItem{{Event: out.Items[0].Event, Outcome: api.CompletedDone, Bytes: 1}}}
	if err := ada.Complete(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	found, err := grace.AuditQuery(t.Context(), api.AuditQueryRequest{Filter: "action:completed"})
	if err != nil || len(found.Events) != 1 || found.Events[0].Continues != out.Items[0].Event {
		t.Errorf("%d completions: %v", len(found.Events), err)
	}
}

// Nothing is released while DynamoDB refuses, fails or is silent, and the answer
// has the code of an unavailable log. A write whose response is lost counts once.
func TestAFailingDynamoDBReleasesNothing(t *testing.T) {
	db, w := inTables(t)
	ada := w.SignIn(t, "ada")
	for name, fault := range map[string]dynamotest.Fault{
		"throttled": dynamotest.Throttle, "down": dynamotest.Down, "failing": dynamotest.Error500, "silent": dynamotest.Slow,
	} {
		db.Fault(func(op string, _ int, body []byte) dynamotest.Fault {
			if toLog(op, body) {
				return fault
			}
			return dynamotest.Pass
		})
		status, code, answer := post(t, ada, w.Server, api.VerbRelease, objects(name, 1))
		if status != http.StatusServiceUnavailable || code != api.AuditUnavailable || strings.Contains(string(answer), "X-Amz-Signature") {
			t.Errorf("%s: %d %s", name, status, code)
		}
		db.Fault(nil)
		if n := len(w.Events(t, "path:company-reports/annual/"+name)); n != 0 {
			t.Errorf("%s: %d events", name, n)
		}
		if status, _, _ := post(t, ada, w.Server, api.VerbRelease, objects(name, 1)); status != http.StatusOK {
			t.Errorf("after %s: %d", name, status)
		}
	}
	ada = w.SignIn(t, "ada") // a new live check, which is not too old after the retries
	lost := int64(2)         // responses
	db.Fault(func(op string, _ int, body []byte) dynamotest.Fault {
		if toLog(op, body) && atomic.AddInt64(&lost, -1) >= 0 {
			return dynamotest.Landed
		}
		return dynamotest.Pass
	})
	if status, code, _ := post(t, ada, w.Server, api.VerbRelease, objects("landed", 3)); status != http.StatusOK {
		t.Errorf("a lost response: %d %s", status, code)
	}
	if n := len(w.Events(t, "path:company-reports/annual/landed")); n != 3 {
		t.Errorf("%d events after a lost response, want 3", n)
	}
}

// A server names a missing table at its start, and the health page an unavailable
// one.
func TestTablesAreChecked(t *testing.T) {
	db := dynamotest.New(t)
	s := beside(t, demotest.Start(t, demo.Options{}))
	s.Audit, s.Grants, s.State = "dynamodb:log", "dynamodb:grants", "dynamodb:state"
	s.Loopback.DynamoDB = db.Endpoint()
	_, err := serve.New(t.Context(), s.Config, s.Deps, s.Loopback)
	if err == nil || !strings.Contains(err.Error(), "log") || !strings.Contains(err.Error(), "--create-tables") {
		t.Errorf("without tables: %v", err)
	}
	found, err := serve.Check(t.Context(), s.Config, s.Deps, s.Loopback)
	if err != nil || found[0].Problem == "" || found[1].Subject != "dynamodb:log-index" {
		t.Errorf("the check without tables: %+v, %v", found, err)
	}
	if _, err := serve.CreateTables(t.Context(), s.Config, s.Deps, s.Loopback); err != nil {
		t.Fatal(err)
	}
	server, err := serve.New(t.Context(), s.Config, s.Deps, s.Loopback)
	if err != nil {
		t.Fatal(err)
	}
	if found, err = serve.Check(t.Context(), s.Config, s.Deps, s.Loopback); err != nil || found[0].Problem != "" {
		t.Errorf("the check with tables: %+v, %v", found, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	ready := func() int {
		res, err := http.Get("http://" + server.Addr().String() + "/healthz")
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	poll(t, func() bool { return ready() == http.StatusOK })
	db.Fault(func(op string, _ int, body []byte) dynamotest.Fault {
		if toLog(op, body) {
			return dynamotest.Throttle
		}
		return dynamotest.Pass
	})
	poll(t, func() bool { return ready() == http.StatusServiceUnavailable })
	db.Fault(nil)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// poll waits until a condition holds.
func poll(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the condition does not come true")
		}
	}
}

// A running server extends the index, and a rebuilt index has the same answers.
func TestTheIndexIsExtendedAndRebuilt(t *testing.T) {
	db, w := inTables(t)
	ada := w.SignIn(t, "ada")
	if _, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "annual/"}); err != nil {
		t.Fatal(err)
	}
	s := beside(t, w)
	file := s.Config
	s.Audit, s.Grants, s.State = "dynamodb:log", "dynamodb:grants", "dynamodb:state"
	s.Loopback.DynamoDB = db.Endpoint()
	s.Deps.Now = func() time.Time { return time.Now().Add(2 * time.Minute) } // the events are old enough
	if err := serve.Reindex(t.Context(), s.Config, s.Deps, s.Loopback, func(time.Time) {}); err != nil {
		t.Fatal(err)
	}
	before := len(w.Events(t, "who:ada"))
	if before < 2 {
		t.Fatalf("%d events", before)
	}
	if n := len(w.Events(t, "who:ada action:"+event.List)); n != 1 {
		t.Errorf("%d lists, want 1", n)
	}
	if err := serve.Reindex(t.Context(), file, s.Deps, s.Loopback, func(time.Time) {}); err == nil {
		t.Error("a file was reindexed")
	}
}

// The function of the stream writes the rows of a batch and extends the index. A
// batch can come twice, and an event without records extends the index alone.
func TestTheFunctionOfTheStream(t *testing.T) {
	db, w := inTables(t)
	ada := w.SignIn(t, "ada")
	if _, err := ada.Release(t.Context(), objects("stream", 5)); err != nil {
		t.Fatal(err)
	}
	client := db.Client(t)
	logged, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("log")})
	if err != nil || len(logged.Items) == 0 {
		t.Fatalf("%d items: %v", len(logged.Items), err)
	}
	var batch events.DynamoDBEvent
	for _, item := range logged.Items {
		image := map[string]events.DynamoDBAttributeValue{}
		for name, value := range item {
			switch v := value.(type) {
			case *types.AttributeValueMemberS:
				image[name] = events.NewStringAttribute(v.Value)
			case *types.AttributeValueMemberN:
				image[name] = events.NewNumberAttribute(v.Value)
			case *types.AttributeValueMemberB:
				image[name] = events.NewBinaryAttribute(v.Value)
			}
		}
		record := events.DynamoDBEventRecord{EventName: "INSERT", Change: events.DynamoDBStreamRecord{NewImage: image}}
		batch.Records = append(batch.Records, record, record)
	}
	s := beside(t, w)
	s.Audit, s.Loopback.DynamoDB = "dynamodb:log", db.Endpoint()
	rows := func() int {
		t.Helper()
		all, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("log-index")})
		if err != nil {
			t.Fatal(err)
		}
		return len(all.Items)
	}
	before := rows()
	index, err := serve.StreamFunction(t.Context(), s.Config, "", s.Deps, s.Loopback)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if out, err := index(t.Context(), batch); err != nil || len(out.BatchItemFailures) > 0 {
			t.Fatal(out, err)
		}
	}
	if n := rows(); n < before+10 {
		t.Errorf("%d rows after the batch, %d before", n, before)
	}
	s.Deps.Now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	later, err := serve.StreamFunction(t.Context(), s.Config, "", s.Deps, s.Loopback)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := later(t.Context(), events.DynamoDBEvent{}); err != nil {
		t.Fatal(err)
	}
	if n := len(w.Events(t, "path:company-reports/annual/stream")); n != 5 {
		t.Errorf("%d events, want 5", n)
	}
}

func TestTheTaskOfAFunction(t *testing.T) {
	for environ, want := range map[string]string{
		"USHER_TASK=other USHER_AUDIT=dynamodb:log":                                                                       "USHER_TASK must be stream, seal",
		"USHER_TASK=index":                                                                                                "USHER_AUDIT must be dynamodb:TABLE",
		"USHER_TASK=index USHER_AUDIT=audit.db":                                                                           "USHER_AUDIT must be dynamodb:TABLE",
		"USHER_TASK=index USHER_AUDIT=dynamodb:log USHER_AUDIT_DAYS=long":                                                 "USHER_AUDIT_DAYS must be 0 to 36500",
		"USHER_TASK=index USHER_AUDIT=dynamodb:log USHER_FIREHOSE=archive":                                                "USHER_FIREHOSE is for USHER_TASK=stream",
		"USHER_TASK=stream USHER_AUDIT=dynamodb:log":                                                                      "USHER_FIREHOSE is for USHER_TASK=stream",
		"USHER_TASK=stream USHER_AUDIT=dynamodb:log USHER_GRANTS=dynamodb:grants":                                         "USHER_GRANTS is no variable of this task",
		"USHER_TASK=seal USHER_AUDIT=dynamodb:log":                                                                        "needs USHER_SEAL_BUCKET and USHER_SEAL_KMS_KEY",
		"USHER_TASK=seal USHER_AUDIT=dynamodb:log USHER_SEAL_BUCKET=b USHER_SEAL_PREFIX=seal":                             "prefix must end with a slash",
		"USHER_TASK=seal USHER_AUDIT=dynamodb:log USHER_SEAL_BUCKET=b USHER_SEAL_KMS_KEY=k":                               "USHER_STATE must be dynamodb:TABLE",
		"USHER_TASK=seal USHER_AUDIT=dynamodb:log USHER_SEAL_BUCKET=b USHER_SEAL_KMS_KEY=k USHER_STATE=dynamodb:state":    "needs public_url",
		"USHER_TASK=seal USHER_AUDIT=dynamodb:log USHER_SEAL_BUCKET=b USHER_SEAL_KMS_KEY=k USHER_SEAL_PUBLIC_KEY=example": "public_key",
	} {
		if _, err := serve.NewFunction(t.Context(), append(strings.Fields(environ), "AWS_REGION=eu-west-1"), serve.Deps{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", environ, err)
		}
	}
}
