package cognito

import (
	"crypto/hmac"
	"encoding/base64"
	"math/big"
	"slices"
	"time"
)

// DeviceTracking is the pool's mode for devices.
type DeviceTracking string

const (
	DevicesOff    DeviceTracking = ""
	DevicesAlways DeviceTracking = "always" // a confirmed device is remembered
	DevicesOptIn  DeviceTracking = "opt-in" // the person decides, by UpdateDeviceStatus
)

const (
	deviceSRPAuth  = "DEVICE_SRP_AUTH"
	deviceVerifier = "DEVICE_PASSWORD_VERIFIER"
)

// device is a device of an account, from its first sign-in on.
type device struct {
	Group      string    `json:"group"`
	Name       string    `json:"name,omitempty"`
	Salt       []byte    `json:"salt,omitempty"`
	Verifier   []byte    `json:"verifier,omitempty"` // absent until ConfirmDevice
	Remembered bool      `json:"remembered,omitempty"`
	Created    time.Time `json:"created"`
}

// origin is the part of a sign-in that all of its challenges share.
type origin struct {
	deviceKey string // as given by the client
	proven    bool   // the device has authenticated itself
}

type deviceMetadata struct{ DeviceKey, DeviceGroupKey string }

// knownDevice returns a device of an account that can replace the second factor.
func (u *user) knownDevice(key string) *device {
	d := u.Devices[key]
	if d == nil || !d.Remembered || len(d.Verifier) == 0 {
		return nil
	}
	return d
}

// issueOrDevice issues tokens after the last challenge. The caller holds p.mu.
func (p *Pool) issueOrDevice(now time.Time, u *user, c *challenge) (*authOutput, *issue, error) {
	c.spent = true
	return nil, p.issueAt(now, u, c.origin), nil
}

// issueAt issues the tokens of a sign-in, with a new device where the client
// named none. The caller holds p.mu.
//
// SPEC: amazon-cognito-user-pools-device-tracking, "Getting a device key".
func (p *Pool) issueAt(now time.Time, u *user, o origin) *issue {
	i := p.issueFor(now, u)
	if p.cfg.Devices == DevicesOff {
		return i
	}
	key := o.deviceKey
	if u.Devices[key] == nil {
		if u.Devices == nil {
			u.Devices = map[string]*device{}
		}
		key = p.cfg.Region + "_" + p.uuid()
		d := &device{Group: "-" + base64.RawURLEncoding.EncodeToString(p.random(6)), Created: now}
		u.Devices[key] = d
		i.device = &deviceMetadata{key, d.Group}
	}
	p.signIns[i.access.OriginJTI].DeviceKey = key
	p.changed++
	return i
}

// askDevice opens DEVICE_SRP_AUTH. The caller holds p.mu.
func (p *Pool) askDevice(now time.Time, u *user, o origin) *authOutput {
	c := &challenge{name: deviceSRPAuth, username: u.Username, sub: u.Sub, origin: o}
	return &authOutput{ChallengeName: deviceSRPAuth, Session: p.addChallenge(now, c), ChallengeParameters: map[string]string{}}
}

// answerDeviceSRP completes DEVICE_SRP_AUTH with another challenge.
func (p *Pool) answerDeviceSRP(now time.Time, in *respondInput) (*authOutput, *issue, error) {
	publicA, err := parsePublic(in.ChallengeResponses["SRP_A"])
	if err != nil {
		return nil, nil, invalidParameter("Value of SRP_A is not a public key of the group")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, u, err := p.challengeOf(now, in)
	if err != nil {
		return nil, nil, err
	}
	key := in.ChallengeResponses["DEVICE_KEY"]
	d := u.knownDevice(key)
	if d == nil || key != c.origin.deviceKey {
		return nil, nil, &Error{Code: "ResourceNotFoundException", Message: "Device does not exist."}
	}
	c.spent = true
	next := &challenge{name: deviceVerifier, username: u.Username, sub: u.Sub, origin: c.origin, publicA: publicA,
		verifier: new(big.Int).SetBytes(d.Verifier)}
	for next.publicB == nil || next.publicB.Sign() == 0 {
		next.secretB = new(big.Int).SetBytes(p.random(srpSecretBytes))
		next.publicB = srpPublic(next.secretB, next.verifier)
	}
	return &authOutput{ChallengeName: deviceVerifier, ChallengeParameters: map[string]string{
		"SALT": new(big.Int).SetBytes(d.Salt).Text(16), "SRP_B": next.publicB.Text(16), "DEVICE_KEY": key,
		"SECRET_BLOCK": p.addChallenge(now, next), "USERNAME": u.Username,
	}}, nil, nil
}

// answerDevice completes DEVICE_PASSWORD_VERIFIER.
func (p *Pool) answerDevice(now time.Time, in *respondInput) (*authOutput, *issue, error) {
	r := in.ChallengeResponses
	block, berr := base64.StdEncoding.DecodeString(r["PASSWORD_CLAIM_SECRET_BLOCK"])
	signature, serr := base64.StdEncoding.DecodeString(r["PASSWORD_CLAIM_SIGNATURE"])
	if berr != nil || serr != nil || len(block) == 0 || len(signature) == 0 {
		return nil, nil, invalidParameter("Missing required parameter PASSWORD_CLAIM_SIGNATURE")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.findChallenge(now, r["PASSWORD_CLAIM_SECRET_BLOCK"], deviceVerifier)
	if err != nil {
		return nil, nil, wrongPassword()
	}
	c.spent = true
	u, key := p.users[c.username], c.origin.deviceKey
	if u == nil || u.Sub != c.sub || u.Disabled || u.knownDevice(key) == nil || r["DEVICE_KEY"] != key {
		return nil, nil, wrongPassword()
	}
	shared, err := srpKey(c.publicA, c.publicB, c.secretB, c.verifier)
	if err != nil || !goodTimestamp(r["TIMESTAMP"]) ||
		!hmac.Equal(srpClaim(shared, u.Devices[key].Group, key, block, r["TIMESTAMP"]), signature) {
		p.failed(now, factorCode, u.Username)
		return nil, nil, wrongPassword()
	}
	c.origin.proven = true
	return p.issueOrDevice(now, u, c)
}

type deviceInput struct {
	AccessToken, DeviceKey, DeviceName, DeviceRememberedStatus, PaginationToken string
	Limit                                                                       *int
	DeviceSecretVerifierConfig                                                  struct{ PasswordVerifier, Salt string }
}

// withDevice runs f with a device of the token's account.
func (p *Pool) withDevice(now time.Time, in *deviceInput, f func(*user, *device) error) error {
	if in.DeviceKey == "" {
		return missing("deviceKey")
	}
	return p.withUser(now, in.AccessToken, scopeAdmin, func(u *user) error {
		d := u.Devices[in.DeviceKey]
		if d == nil {
			return &Error{Code: "ResourceNotFoundException", Message: "Device does not exist."}
		}
		return f(u, d)
	})
}

func (p *Pool) confirmDevice(now time.Time, in *deviceInput) (any, error) {
	verifier, verr := base64.StdEncoding.DecodeString(in.DeviceSecretVerifierConfig.PasswordVerifier)
	salt, serr := base64.StdEncoding.DecodeString(in.DeviceSecretVerifierConfig.Salt)
	if verr != nil || serr != nil || len(verifier) == 0 || len(salt) == 0 {
		return nil, invalidParameter("Invalid device secret verifier.")
	}
	out := struct{ UserConfirmationNecessary bool }{p.cfg.Devices == DevicesOptIn}
	return out, p.withDevice(now, in, func(u *user, d *device) error {
		if len(d.Verifier) > 0 {
			return &Error{Code: "DeviceKeyExistsException", Message: "Device already exists."}
		}
		d.Name, d.Verifier, d.Salt, d.Remembered = in.DeviceName, verifier, salt, p.cfg.Devices == DevicesAlways
		p.touch(now, u)
		return nil
	})
}

func (p *Pool) updateDeviceStatus(now time.Time, in *deviceInput) (any, error) {
	status := in.DeviceRememberedStatus
	if status != "remembered" && status != "not_remembered" {
		return nil, invalidParameter("Invalid device status.")
	}
	return nil, p.withDevice(now, in, func(u *user, d *device) error {
		if len(d.Verifier) == 0 {
			return invalidParameter("The device is not confirmed.")
		}
		d.Remembered = status == "remembered"
		p.touch(now, u)
		return nil
	})
}

func (p *Pool) forgetDevice(now time.Time, in *deviceInput) (any, error) {
	return nil, p.withDevice(now, in, func(u *user, _ *device) error {
		delete(u.Devices, in.DeviceKey)
		p.touch(now, u)
		return nil
	})
}

type deviceShape struct {
	DeviceKey        string
	DeviceAttributes []attribute
	DeviceCreateDate float64
}

func shapeOf(key string, d *device) deviceShape {
	status := "not_remembered"
	if d.Remembered {
		status = "remembered"
	}
	return deviceShape{key, []attribute{{"device_status", status}, {"device_name", d.Name}}, seconds(d.Created)}
}

func (p *Pool) getDevice(now time.Time, in *deviceInput) (any, error) {
	var out struct{ Device deviceShape }
	err := p.withDevice(now, in, func(_ *user, d *device) error {
		out.Device = shapeOf(in.DeviceKey, d)
		return nil
	})
	return out, err
}

func (p *Pool) listDevices(now time.Time, in *deviceInput) (any, error) {
	out := struct{ Devices []deviceShape }{[]deviceShape{}}
	err := p.withUser(now, in.AccessToken, scopeAdmin, func(u *user) error {
		for key, d := range u.Devices {
			if len(d.Verifier) > 0 {
				out.Devices = append(out.Devices, shapeOf(key, d))
			}
		}
		return nil
	})
	slices.SortFunc(out.Devices, func(a, b deviceShape) int { return int(a.DeviceCreateDate - b.DeviceCreateDate) })
	return out, err
}
