package cognito

import "slices"

// AppClient is an app client for the authorization code grant. It has no secret
// and enables no sign-in through the API (no ExplicitAuthFlows).
type AppClient struct {
	ID        string
	Callbacks []string // redirect URIs, compared as strings
	Logouts   []string // sign-out URLs, compared as strings
	Scopes    []string // allowed scopes
}

// Client returns the app client of the authorization code grant with an id. The
// client of Config.ClientID is none of them.
func (p *Pool) Client(id string) (AppClient, bool) {
	at := slices.IndexFunc(p.cfg.Clients, func(c AppClient) bool { return c.ID == id })
	if at < 0 {
		return AppClient{}, false
	}
	return p.cfg.Clients[at], true
}

// checkClient refuses the id of an unknown app client.
func (p *Pool) checkClient(id string) error {
	if id == "" {
		return missing("clientId")
	}
	if _, oauth := p.Client(id); id != p.cfg.ClientID && !oauth {
		return notFound("User pool client " + quoteID(id) + " does not exist.")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if id == p.cfg.ClientID && p.faulty(FaultClientSecret) {
		return notAuthorized("Client " + id + " is configured with secret but SECRET_HASH was not received")
	}
	return nil
}

// checkAPIClient refuses an app client without sign-ins through the API.
//
// SPEC: API InitiateAuth: InvalidParameterException for a flow that is not among
// the client's ExplicitAuthFlows.
func (p *Pool) checkAPIClient(id, flow string) error {
	if err := p.checkClient(id); err != nil {
		return err
	}
	if id != p.cfg.ClientID {
		return invalidParameter(flow + " is not enabled for the client.")
	}
	return nil
}

// clientOf returns the app client of a token family. Families of earlier state
// files name none.
func (p *Pool) clientOf(s *signIn) string {
	if s.Client == "" {
		return p.cfg.ClientID
	}
	return s.Client
}
