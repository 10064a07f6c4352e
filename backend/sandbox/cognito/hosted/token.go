package hosted

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"time"

	"usher/backend/sandbox/cognito"
)

// tokenResponse is the success response of the token endpoint.
type tokenResponse struct {
	ID      string `json:"id_token"`
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token,omitempty"`
	Life    int    `json:"expires_in"` // seconds
	Type    string `json:"token_type"`
}

// tokenForm reads the form of the token or revocation endpoint and checks its
// client.
func (s *Server) tokenForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err != nil || media != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		oauthError(w, "invalid_request")
		return nil, false
	}
	for _, values := range r.PostForm {
		if len(values) > 1 { // SPEC: RFC 6749 §3.2
			oauthError(w, "invalid_request")
			return nil, false
		}
	}
	if _, ok := s.c.Pool.Client(r.PostForm.Get("client_id")); !ok || r.Header.Get("Authorization") != "" {
		oauthError(w, "invalid_client") // the clients are public: no secret is valid
		return nil, false
	}
	return r.PostForm, true
}

// token redeems a code or a refresh token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	f, ok := s.tokenForm(w, r)
	if !ok {
		return
	}
	var tokens cognito.Tokens
	var err error
	switch f.Get("grant_type") {
	case "authorization_code":
		tokens, err = s.redeem(f)
	case "refresh_token":
		if f.Get("refresh_token") == "" {
			oauthError(w, "invalid_request")
			return
		}
		tokens, err = s.c.Pool.RenewTokens(f.Get("client_id"), f.Get("refresh_token"))
	case "":
		oauthError(w, "invalid_request")
		return
	default:
		oauthError(w, "unsupported_grant_type")
		return
	}
	var refused *cognito.Error
	switch {
	case errors.As(err, &refused):
		oauthError(w, "invalid_grant")
	case err != nil:
		http.Error(w, "internal error", http.StatusInternalServerError)
	default:
		writeJSON(w, http.StatusOK, tokenResponse{tokens.ID, tokens.Access, tokens.Refresh, int(tokens.Life / time.Second), "Bearer"})
	}
}

var errGrant = &cognito.Error{Code: "invalid_grant"}

// redeem returns the tokens of a code. An attempt spends the code, whether or not
// it succeeds.
func (s *Server) redeem(f url.Values) (cognito.Tokens, error) {
	s.mu.Lock()
	c := s.codes[f.Get("code")]
	delete(s.codes, f.Get("code"))
	s.mu.Unlock()
	switch {
	case c == nil || !s.c.Now().Before(c.expires),
		c.grant.Client != f.Get("client_id"),
		c.redirect != f.Get("redirect_uri"),
		!proves(f.Get("code_verifier"), c.challenge):
		return cognito.Tokens{}, errGrant
	}
	return s.c.Pool.IssueTokens(c.grant)
}

// proves reports whether a verifier belongs to a challenge. A verifier without a
// challenge is refused (RFC 9700 §2.1.1).
func proves(verifier, challenge string) bool {
	if challenge == "" {
		return verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// revoke ends a session by its refresh token.
//
// SPEC: revocation-endpoint, "Endpoint errors"; the body of a success is empty.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	f, ok := s.tokenForm(w, r)
	if !ok {
		return
	}
	if f.Get("token") == "" {
		oauthError(w, "invalid_request")
		return
	}
	err := s.c.Pool.Revoke(f.Get("client_id"), f.Get("token"))
	var refused *cognito.Error
	switch {
	case errors.As(err, &refused) && refused.Code == "UnsupportedTokenTypeException":
		oauthError(w, "unsupported_token_type")
	case errors.As(err, &refused):
		oauthError(w, "invalid_request")
	case err != nil:
		http.Error(w, "internal error", http.StatusInternalServerError)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

// oauthError writes an error of the token endpoint.
//
// SPEC: token-endpoint, "Examples of negative responses": the status is 400.
func oauthError(w http.ResponseWriter, code string) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": code})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client is gone
}
