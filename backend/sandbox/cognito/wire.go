package cognito

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	// Like AWS, this decoder matches member names exactly and refuses duplicates.
	strictjson "github.com/go-jose/go-jose/v4/json"

	"usher/backend/api/shape"
	"usher/backend/sandbox/sigv4"
)

const (
	targetPrefix = "AWSCognitoIdentityProviderService."
	contentType  = "application/x-amz-json-1.1"
	maxBody      = 256 << 10 // bytes
)

// operation is one operation of the API.
type operation struct {
	quota  quota
	signed bool // an owner's call
	run    func(now time.Time, body []byte) (any, error)
}

// decoded returns an operation that decodes its input and calls f.
func decoded[In any](f func(time.Time, *In) (any, error)) func(time.Time, []byte) (any, error) {
	return func(now time.Time, body []byte) (any, error) {
		in := new(In)
		if err := strictjson.Unmarshal(body, in); err != nil {
			return nil, &Error{Code: "SerializationException", Message: "The request is not the JSON of this operation"}
		}
		return f(now, in)
	}
}

func (p *Pool) operations() map[string]operation {
	return map[string]operation{
		"InitiateAuth":              {quotaSignIn, false, decoded(p.initiateAuth)},
		"RespondToAuthChallenge":    {quotaChallenge, false, decoded(p.respond)},
		"GetTokensFromRefreshToken": {quotaSignIn, false, decoded(p.getTokensFromRefreshToken)},
		"RevokeToken":               {quotaToken, false, decoded(p.revokeToken)},
		"GlobalSignOut":             {quotaUpdate, false, decoded(p.globalSignOut)},
		"GetUser":                   {quotaRead, false, decoded(p.getUser)},
		"ChangePassword":            {noQuota, false, decoded(p.changePassword)},
		"AssociateSoftwareToken":    {noQuota, false, decoded(p.associateSoftwareToken)},
		"VerifySoftwareToken":       {noQuota, false, decoded(p.verifySoftwareToken)},
		"SetUserMFAPreference":      {noQuota, false, decoded(p.setUserMFAPreference)},
		"UpdateUserAttributes":      {noQuota, false, decoded(p.updateUserAttributes)},
		"DeleteUserAttributes":      {noQuota, false, decoded(p.deleteUserAttributes)},
		"ConfirmDevice":             {noQuota, false, decoded(p.confirmDevice)},
		"UpdateDeviceStatus":        {noQuota, false, decoded(p.updateDeviceStatus)},
		"ForgetDevice":              {noQuota, false, decoded(p.forgetDevice)},
		"GetDevice":                 {noQuota, false, decoded(p.getDevice)},
		"ListDevices":               {noQuota, false, decoded(p.listDevices)},
		"ForgotPassword":            {noQuota, false, decoded(p.forgotPassword)},
		"ConfirmForgotPassword":     {noQuota, false, decoded(p.confirmForgotPassword)},

		"AdminCreateUser":          {noQuota, true, decoded(p.adminCreateUser)},
		"AdminDeleteUser":          {noQuota, true, decoded(p.adminDeleteUser)},
		"AdminGetUser":             {quotaRead, true, decoded(p.adminGetUser)},
		"AdminSetUserPassword":     {noQuota, true, decoded(p.adminSetUserPassword)},
		"AdminDisableUser":         {quotaUpdate, true, decoded(p.adminDisableUser)},
		"AdminEnableUser":          {quotaUpdate, true, decoded(p.adminEnableUser)},
		"AdminUserGlobalSignOut":   {quotaUpdate, true, decoded(p.adminUserGlobalSignOut)},
		"AdminListGroupsForUser":   {quotaResource, true, decoded(p.adminListGroupsForUser)},
		"AdminAddUserToGroup":      {quotaUpdate, true, decoded(p.adminAddUserToGroup)},
		"AdminRemoveUserFromGroup": {quotaUpdate, true, decoded(p.adminRemoveUserFromGroup)},
		"CreateGroup":              {noQuota, true, decoded(p.createGroup)},
		"ListGroups":               {noQuota, true, decoded(p.listGroups)},
		"ListUsers":                {quotaList, true, decoded(p.listUsers)},
		"ListUsersInGroup":         {quotaList, true, decoded(p.listUsersInGroup)},
		"DescribeUserPool":         {noQuota, true, decoded(p.describeUserPool)},

		"AdminResetUserPassword":    {noQuota, true, decoded(p.adminResetUserPassword)},
		"AdminUpdateUserAttributes": {quotaUpdate, true, decoded(p.adminUpdateUserAttributes)},
		"AdminDeleteUserAttributes": {quotaUpdate, true, decoded(p.adminDeleteUserAttributes)},
		"AdminSetUserMFAPreference": {quotaUpdate, true, decoded(p.adminSetUserMFAPreference)},
		"AdminInitiateAuth":         {quotaSignIn, true, decoded(p.adminInitiateAuth)},
		"GetGroup":                  {noQuota, true, decoded(p.getGroup)},
		"UpdateGroup":               {noQuota, true, decoded(p.updateGroup)},
		"DeleteGroup":               {noQuota, true, decoded(p.deleteGroup)},
		"ListUserPools":             {noQuota, true, decoded(p.listUserPools)},
		"ListUserPoolClients":       {noQuota, true, decoded(p.listUserPoolClients)},
		"DescribeUserPoolClient":    {noQuota, true, decoded(p.describeUserPoolClient)},
		"GetUserPoolMfaConfig":      {noQuota, true, decoded(p.getUserPoolMFAConfig)},
		"SetUserPoolMfaConfig":      {noQuota, true, decoded(p.setUserPoolMFAConfig)},
	}
}

// named reports whether host is the host of the pool's base URL.
func (p *Pool) named(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, own, found := strings.Cut(p.baseURL, "://")
	return found && strings.EqualFold(host, own)
}

// ServeHTTP serves the API at POST /, the pool's documents under its id, and
// /oauth2/userInfo.
func (p *Pool) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-Requestid", p.uuid())
	w.Header().Set("Date", p.cfg.Now().UTC().Format(http.TimeFormat))
	// A web page elsewhere must not reach a pool on this machine, neither with a
	// host name of its own that resolves to loopback nor from its own origin.
	if !loopbackHost(r.Host) && !p.named(r.Host) {
		http.Error(w, "this pool serves loopback host names and its own only", http.StatusMisdirectedRequest)
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		http.Error(w, "this pool serves no other web page", http.StatusForbidden)
		return
	}
	switch path := r.URL.Path; {
	case path == "/" && r.Method == http.MethodPost:
		p.serveAPI(w, r)
	case path == "/oauth2/userInfo" && (r.Method == http.MethodGet || r.Method == http.MethodPost):
		p.serveUserInfo(w, r)
	case r.Method == http.MethodGet && path == "/"+p.cfg.PoolID+"/.well-known/jwks.json":
		p.serveJWKS(w)
	case r.Method == http.MethodGet && path == "/"+p.cfg.PoolID+"/.well-known/openid-configuration":
		p.serveConfiguration(w)
	default:
		http.NotFound(w, r)
	}
}

// loopbackHost reports whether a Host header is a loopback address or localhost.
func loopbackHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	return shape.Loopback(name)
}

// checkSignature verifies the signature of an owner's call.
func (p *Pool) checkSignature(now time.Time, r *http.Request, body []byte) error {
	if refused := (sigv4.Config{Region: p.cfg.Region, Service: "cognito-idp", Secret: p.cfg.OwnerKeys}).Check(now, r, body); refused != nil {
		return &Error{Code: refused.Code, Message: refused.Message}
	}
	return nil
}

func (p *Pool) serveAPI(w http.ResponseWriter, r *http.Request) {
	name, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	if _, known := p.ops[name]; known {
		p.count(name)
	}
	if f := p.meet(name, r); f != "" {
		p.serveBroken(w, r, f)
		return
	}
	p.call(w, r)
}

// call runs an operation.
func (p *Pool) call(w http.ResponseWriter, r *http.Request) {
	name, isTarget := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	op, known := p.ops[name]
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if !isTarget || !known || err != nil || media != contentType {
		writeError(w, &Error{Code: "UnknownOperationException", Message: "Unknown operation"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeError(w, &Error{Code: "SerializationException", Message: "The request could not be read",
			status: http.StatusRequestEntityTooLarge})
		return
	}
	now := p.cfg.Now()
	if op.signed {
		if err := p.checkSignature(now, r, body); err != nil {
			writeError(w, err)
			return
		}
	}
	p.mu.Lock()
	err = p.admit(now, op.quota, "")
	p.mu.Unlock()
	if err != nil {
		writeError(w, err)
		return
	}
	out, err := op.run(now, body)
	if saveErr := p.save(); saveErr != nil {
		err = saveErr // a change that was not saved must not be acknowledged
	}
	if err != nil {
		writeError(w, err)
		return
	}
	if out == nil {
		out = struct{}{}
	}
	writeJSON(w, http.StatusOK, contentType, out)
}

// writeError writes an exception. An internal error does not show its cause.
func writeError(w http.ResponseWriter, err error) {
	var refusal *Error
	if !errors.As(err, &refusal) {
		refusal = &Error{Code: "InternalErrorException", Message: "Internal error", status: http.StatusInternalServerError}
	}
	w.Header().Set("X-Amzn-Errortype", refusal.Code+":")
	writeJSON(w, refusal.httpStatus(), contentType, struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{refusal.Code, refusal.Message})
}

func writeJSON(w http.ResponseWriter, status int, media string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client is gone
}

func (p *Pool) serveJWKS(w http.ResponseWriter) {
	p.count("jwks.json")
	if err := p.Warm(); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", p.jwks())
}

func (p *Pool) serveConfiguration(w http.ResponseWriter) {
	issuer := p.Issuer()
	base := strings.TrimSuffix(issuer, "/"+p.cfg.PoolID)
	out := map[string]any{
		"issuer":                                issuer,
		"jwks_uri":                              issuer + "/.well-known/jwks.json",
		"userinfo_endpoint":                     base + "/oauth2/userInfo",
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"subject_types_supported":               []string{"public"},
		"scopes_supported":                      []string{"openid", "email", "profile"},
		"response_types_supported":              []string{"code"},
	}
	if len(p.cfg.Clients) > 0 {
		out["authorization_endpoint"], out["token_endpoint"] = base+"/oauth2/authorize", base+"/oauth2/token"
		out["revocation_endpoint"], out["end_session_endpoint"] = base+"/oauth2/revoke", base+"/logout"
		out["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic", "client_secret_post"}
	}
	writeJSON(w, http.StatusOK, "application/json", out)
}

// serveUserInfo returns the attributes of an access token with the openid scope.
//
// SPEC: userinfo-endpoint: email_verified is a string, and all invalid tokens
// have one error text.
func (p *Pool) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	p.count("userInfo")
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	now := p.cfg.Now()
	out := map[string]string{}
	err := p.withUser(now, token, "openid", func(u *user) error {
		out["sub"], out["username"] = u.Sub, u.Username
		for _, name := range []string{"email", "email_verified"} {
			if v, ok := u.Attributes[name]; ok {
				out[name] = v
			}
		}
		return nil
	})
	if err != nil {
		const why = "Access token is expired, disabled, or deleted, or the user has globally signed out."
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="`+why+`"`)
		writeJSON(w, http.StatusUnauthorized, "application/json",
			map[string]string{"error": "invalid_token", "error_description": why})
		return
	}
	writeJSON(w, http.StatusOK, "application/json", out)
}
