package session

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
)

// machine is this machine as a remembered device of one person. Its secret proves
// it, in place of a second factor.
type machine struct {
	Key    string `json:"key"`
	Group  string `json:"group"`
	Secret string `json:"secret"`
}

// String keeps the secret out of all output.
func (machine) String() string { return "device" }

// GoString returns String, for %#v.
func (d machine) GoString() string { return d.String() }

// machines holds the remembered devices of one profile on disk, by user name as typed: a
// file 0600 beside the tokens. It outlives a sign-out.
type machines struct {
	path    string
	profile Profile
	seal    *seal
	random  io.Reader
}

type deviceFile struct {
	Version int                `json:"version"`
	Server  string             `json:"server"`
	Pool    string             `json:"user_pool_id"`
	Client  string             `json:"client_id"`
	Devices map[string]machine `json:"devices"`
}

const deviceVersion = 1

func newMachines(f Folders, p Profile, o Options) *machines {
	path := filepath.Join(f.State, "devices", p.Name+".json")
	return &machines{path: path, profile: p, seal: newSeal(path, p, o), random: o.Random}
}

// read returns the devices; none for a file of another server, and for a file
// that others can read.
func (s *machines) read() map[string]machine {
	if checkDir(filepath.Dir(s.path)) != nil {
		return nil
	}
	data, err := readOwn(s.path, 0o077)
	if err == nil {
		data, err = s.seal.open(data)
	}
	var k deviceFile
	if err != nil || json.Unmarshal(data, &k) != nil || k.Version != deviceVersion ||
		k.Server != s.profile.Server || k.Pool != s.profile.Config.UserPoolID || k.Client != s.profile.Config.ClientID {
		return nil
	}
	return k.Devices
}

// find returns the device of a user, or nil.
func (s *machines) find(username string) *machine {
	d, ok := s.read()[username]
	if !ok || d.Key == "" || d.Secret == "" {
		return nil
	}
	return &d
}

func (s *machines) write(devices map[string]machine) error {
	if len(devices) == 0 {
		return removeOwn(s.path)
	}
	if err := ownDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	data, err := json.Marshal(deviceFile{deviceVersion, s.profile.Server, s.profile.Config.UserPoolID, s.profile.Config.ClientID, devices})
	if err != nil {
		return fmt.Errorf("writing the remembered machine: %w", err)
	}
	if data, err = s.seal.close(data, s.random); err != nil {
		return err
	}
	return writeOwn(s.path, data)
}

func (s *machines) add(username string, d machine) error {
	devices := s.read()
	if devices == nil {
		devices = map[string]machine{}
	}
	devices[username] = d
	return s.write(devices)
}

// remove removes the device with a key. A failure leaves a device that the pool
// does not accept.
func (s *machines) remove(key string) {
	devices := s.read()
	for name, d := range devices {
		if d.Key == key {
			delete(devices, name)
			_ = s.write(devices)
			return
		}
	}
}

// startDevice answers DEVICE_SRP_AUTH, which comes in place of a second factor.
func (s *SignIn) startDevice(ctx context.Context) (Step, error) {
	if s.device == nil {
		return Step{}, ErrUnknownStep
	}
	var err error
	// The group takes the place of the pool's name in the proof.
	if s.srp, err = newDeviceSRP(s.random, s.device.Group); err != nil {
		return Step{}, err
	}
	return s.respond(ctx, s.challenge, s.session.Reveal(), map[string]string{"DEVICE_KEY": s.device.Key, "SRP_A": s.srp.publicA()}, ErrStartAgain)
}

// proveDevice answers DEVICE_PASSWORD_VERIFIER.
// SPEC: Cognito developer guide, "Signing in with a device".
func (s *SignIn) proveDevice(ctx context.Context) (Step, error) {
	srp := s.srp
	if srp == nil || s.device == nil {
		return Step{}, ErrGarbled
	}
	s.srp = nil
	parameters := map[string]string{
		"USER_ID_FOR_SRP": s.device.Key, "SALT": s.parameter["SALT"], "SRP_B": s.parameter["SRP_B"], "SECRET_BLOCK": s.parameter["SECRET_BLOCK"],
	}
	challenge, err := srp.readChallenge(parameters)
	if err != nil {
		return Step{}, ErrGarbled
	}
	proof, timestamp, err := srp.proof(challenge, []byte(s.device.Secret), s.startedAt)
	if err != nil {
		return Step{}, ErrGarbled
	}
	key := s.device.Key
	step, err := s.respond(ctx, s.challenge, s.session.Reveal(), map[string]string{
		"DEVICE_KEY": key, "PASSWORD_CLAIM_SECRET_BLOCK": s.parameter["SECRET_BLOCK"],
		"PASSWORD_CLAIM_SIGNATURE": proof, "TIMESTAMP": timestamp,
	}, ErrDeviceForgotten)
	if errors.Is(err, ErrDeviceForgotten) {
		s.devices.remove(key)
		s.reset()
	}
	return step, err
}

// Remember confirms this machine at the pool and stores its secret. Later
// sign-ins of the same user here need no second factor. tokens are those of the
// Done step.
func (s *SignIn) Remember(ctx context.Context, tokens Tokens) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == "" || tokens.DeviceKey == "" {
		return ErrStartAgain
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
	defer cancel()
	d := machine{Key: tokens.DeviceKey, Group: s.group}
	salt, verifier, err := d.newSecret(s.random)
	if err != nil {
		return err
	}
	access := aws.String(tokens.Access.Reveal())
	out, err := s.pool.client.ConfirmDevice(ctx, &cognito.ConfirmDeviceInput{
		AccessToken: access, DeviceKey: aws.String(d.Key), DeviceName: aws.String("usher"),
		DeviceSecretVerifierConfig: &types.DeviceSecretVerifierConfigType{
			PasswordVerifier: aws.String(base64.StdEncoding.EncodeToString(verifier)), Salt: aws.String(base64.StdEncoding.EncodeToString(salt)),
		},
	})
	if err == nil && out.UserConfirmationNecessary {
		_, err = s.pool.client.UpdateDeviceStatus(ctx, &cognito.UpdateDeviceStatusInput{
			AccessToken: access, DeviceKey: aws.String(d.Key), DeviceRememberedStatus: types.DeviceRememberedStatusTypeRemembered,
		})
	}
	if err != nil {
		return s.pool.explain(ctx, err, errEnded)
	}
	return s.devices.add(s.typed, d)
}

// newSecret draws the device's secret, and returns the salt and the verifier for
// the pool, padded like the other numbers of SRP.
func (d *machine) newSecret(random io.Reader) (salt, verifier []byte, err error) {
	raw := make([]byte, 40+16)
	if _, err := io.ReadFull(random, raw); err != nil {
		return nil, nil, fmt.Errorf("drawing randomness: %w", err)
	}
	d.Secret = base64.StdEncoding.EncodeToString(raw[:40])
	number := new(big.Int).SetBytes(raw[40:])
	srp, err := srpFrom(big.NewInt(1), "_"+d.Group)
	if err != nil {
		return nil, nil, err
	}
	x := srp.x(d.Key, []byte(d.Secret), number)
	return pad(number), pad(new(big.Int).Exp(srp.g, x, srp.n)), nil
}

// newDeviceSRP is newSRP with the group of a device in place of the pool's name.
func newDeviceSRP(random io.Reader, group string) (*srpClient, error) {
	return newSRP(random, "_"+group)
}

// forgetDevice removes this machine from the person's devices, at the pool and
// here.
func (p *pool) forgetDevice(ctx context.Context, t Tokens) error {
	_, err := p.client.ForgetDevice(ctx, &cognito.ForgetDeviceInput{AccessToken: aws.String(t.Access.Reveal()), DeviceKey: aws.String(t.DeviceKey)}, retryLost)
	if err == nil {
		return nil
	}
	if err = p.explain(ctx, err, errEnded); errors.Is(err, errNoResource) {
		return nil
	}
	return err
}
