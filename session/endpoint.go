package session

import (
	"cmp"
	"net/url"

	"usher/backend/api/shape"
)

// ServiceHost returns the host of the profile's sign-in service, for messages.
func ServiceHost(p Profile) string {
	endpoint, err := cognitoEndpoint(p.Server, p.Config)
	if err != nil {
		return ""
	}
	return hostOf(endpoint)
}

// LogoutURL returns the address that ends the browser's sign-in at the pool's
// pages; "" for a server without sign-in in a browser.
// SPEC: Cognito developer guide, logout endpoint: client_id and logout_uri, which
// is registered for the client.
func LogoutURL(p Profile) string {
	offer := p.Config.Offer()
	// The cookie is the same for both clients of the pool's pages.
	client := cmp.Or(offer.Clients.SSO, offer.Clients.Device)
	if offer.HostedUI == "" || client == "" {
		return ""
	}
	return offer.HostedUI + "/logout?" + url.Values{"client_id": {client}, "logout_uri": {p.Server + shape.SignedOutPath}}.Encode()
}
