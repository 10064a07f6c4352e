package rig

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"usher/backend/sandbox/cognito"
)

// codePool is the JSON description of a user pool that sends codes.
type codePool struct {
	pool
	Mail string `json:"mail"` // ?name= returns the last code of a person
}

// codePeople returns people whose second factor is a sent code.
func codePeople() []cognito.User {
	return []cognito.User{
		{Username: "ada"}, {Username: "joan", EmailMFA: true}, {Username: "mary", Phone: "+15555550101", SMSMFA: true},
	}
}

// startCodePool starts a pool with rotation that sends mail and SMS.
func startCodePool(t *testing.T, devices cognito.DeviceTracking, people ...cognito.User) codePool {
	t.Helper()
	var mu sync.Mutex
	codes := map[string]string{}
	mail := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]string{"code": codes[r.URL.Query().Get("name")]})
	}))
	t.Cleanup(mail.Close)
	p, made := serve(t, cognito.Config{
		Rotation: true, UserAuth: true, EmailCodes: true, SMSCodes: true, Devices: devices,
		Send: func(m cognito.Mail) {
			mu.Lock()
			defer mu.Unlock()
			codes[m.Username] = m.Code
		},
	})
	for _, u := range append(codePeople(), people...) {
		u.Email = u.Username + "@example.com"
		addPerson(t, made, &p, u)
	}
	return codePool{p, mail.URL}
}

// AWS Amplify, with rotation, codes and remembered devices.
func TestAmplify(t *testing.T) {
	t.Parallel()
	pools := map[string]codePool{
		"codes":   startCodePool(t, cognito.DevicesOff, cognito.User{Username: "hedy", Phone: "+15555550102", SMSMFA: true, EmailMFA: true}),
		"devices": startCodePool(t, cognito.DevicesAlways),
	}
	judge(t, "amplify.mjs", pools, []string{
		"rotation/renews", "codes/by mail", "codes/by SMS", "codes/choice of the second factor", "codes/without a password", "codes/preferred",
		"devices/renews", "devices/replaces the second factor",
	})
}

// amazon-cognito-identity-js, with remembered devices, SMS and reset codes.
func TestAmazonJavaScriptCodes(t *testing.T) {
	t.Parallel()
	pools := map[string]codePool{"devices": startCodePool(t, cognito.DevicesAlways,
		cognito.User{Username: "hedy", Phone: "+15555550102", SMSMFA: true}, cognito.User{Username: "rosa", Phone: "+15555550103", SMSMFA: true})}
	judge(t, "codes.mjs", pools, []string{
		"sms/code", "device/replaces the second factor", "device/forgotten", "forgot/new password", "forgot/unknown person",
	})
}

// Negative control: in a pool that does not know its devices, no check of a
// device passes.
func TestCodeJudgesCanFail(t *testing.T) {
	t.Parallel()
	people := []cognito.User{{Username: "hedy", Phone: "+15555550102", SMSMFA: true}, {Username: "rosa", Phone: "+15555550103", SMSMFA: true}}
	off := startCodePool(t, cognito.DevicesOff, people...)
	for _, v := range runScript(t, "codes.mjs", map[string]codePool{"devices": off}) {
		if v.Check == "device/replaces the second factor" && v.OK {
			t.Errorf("%s passes without devices", v.Check)
		}
	}
	for _, v := range runScript(t, "amplify.mjs", map[string]codePool{"codes": off, "devices": off}) {
		if slices.Contains([]string{"devices/renews", "devices/replaces the second factor"}, v.Check) && v.OK {
			t.Errorf("%s passes without devices", v.Check)
		}
	}
}
