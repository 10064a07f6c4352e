package identity

import (
	"context"
	"encoding/json"
	"fmt"
)

// SignIn holds the claims of a verified ID token. Only VerifyID makes a valid
// SignIn.
type SignIn struct {
	Sub     string
	Nonce   string // of the authorization request
	Session string // origin_jti
}

// VerifyID checks the ID token of an app client's sign-in: its form, signature,
// issuer, audience and time. Its errors are those of Verify.
// SPEC: OpenID Connect Core §3.1.3.7; Cognito developer guide, "Understanding the
// identity (ID) token".
func (v *Verifier) VerifyID(ctx context.Context, token, client string) (SignIn, error) {
	payload, err := v.signed(ctx, token)
	if err != nil {
		return SignIn{}, err
	}
	var raw map[string]json.RawMessage
	if err := unmarshalStrict(payload, &raw); err != nil {
		return SignIn{}, fmt.Errorf("claims: %w", ErrToken)
	}
	text := func(name string) string {
		var s string
		if json.Unmarshal(raw[name], &s) != nil {
			return ""
		}
		return s
	}
	s := SignIn{Sub: text("sub"), Nonce: text("nonce"), Session: text("origin_jti")}
	switch {
	case v.c.Issuer != text("iss"):
		return SignIn{}, fmt.Errorf("issuer: %w", ErrToken)
	case text("token_use") != "id":
		return SignIn{}, fmt.Errorf("token use: %w", ErrToken)
	case client == "" || text("aud") != client:
		return SignIn{}, fmt.Errorf("audience: %w", ErrToken)
	case !idShape.Matches(s.Sub) || !idShape.Matches(s.Nonce) || !idShape.Matches(s.Session):
		return SignIn{}, fmt.Errorf("sub, nonce or session: %w", ErrToken)
	}
	return s, v.times(ctx, raw, &Claims{})
}
