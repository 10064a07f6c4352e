package cognito

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// state is the content of the state file: accounts, groups, keys and token
// families. Challenges, lockouts, quotas and call counts are not stored.
type state struct {
	Version int                `json:"version"`
	PoolID  string             `json:"pool_id"`
	Secret  []byte             `json:"secret"`
	Keys    []storedKey        `json:"keys,omitempty"` // access, id, then previous ones
	Users   []*user            `json:"users"`
	Groups  []*group           `json:"groups"`
	SignIns map[string]*signIn `json:"sign_ins"`
	MFA     MFA                `json:"mfa,omitempty"`
}

type storedKey struct {
	Kid   string `json:"kid"`
	Use   string `json:"use"`
	PKCS8 []byte `json:"pkcs8"`
}

const stateVersion = 1

// save writes a state file with at least all changes made before the call. Calls
// that wait for a write in progress share the next one.
func (p *Pool) save() error {
	if p.cfg.StateFile == "" {
		return nil
	}
	p.mu.Lock()
	needed := p.changed
	p.mu.Unlock()
	p.saveMu.Lock()
	defer p.saveMu.Unlock()
	if p.saved >= needed {
		return nil
	}
	body, upTo, err := p.snapshot()
	if err != nil {
		return fmt.Errorf("cognito: writing the state file: %w", err)
	}
	if err := replaceFile(p.cfg.StateFile, body); err != nil {
		return fmt.Errorf("cognito: writing the state file: %w", err)
	}
	p.saved = upTo
	return nil
}

func (p *Pool) snapshot() (body []byte, upTo uint64, err error) {
	s := state{Version: stateVersion, PoolID: p.cfg.PoolID, Secret: p.secret}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys.all() {
		der, err := x509.MarshalPKCS8PrivateKey(k.key)
		if err != nil {
			return nil, 0, err
		}
		s.Keys = append(s.Keys, storedKey{k.kid, k.use, der})
	}
	byName := func(a, b *user) int { return strings.Compare(a.Username, b.Username) }
	s.Users = slices.SortedFunc(maps.Values(p.users), byName)
	s.Groups = slices.SortedFunc(maps.Values(p.groups), func(a, b *group) int { return strings.Compare(a.Name, b.Name) })
	s.SignIns, s.MFA = p.signIns, p.mfa
	body, err = json.Marshal(s)
	return body, p.changed, err
}

// replaceFile replaces a file atomically. Its mode is 0600.
func replaceFile(name string, body []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// load reads the state file, if there is one. It refuses a file that is readable
// by other users, and a file of another pool.
func (p *Pool) load() error {
	if p.cfg.StateFile == "" {
		return nil
	}
	info, err := os.Lstat(p.cfg.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", p.cfg.StateFile)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s contains keys and is readable by other users (mode %v); its mode must be 0600", p.cfg.StateFile, info.Mode().Perm())
	}
	body, err := os.ReadFile(p.cfg.StateFile)
	if err != nil {
		return err
	}
	var s state
	if err := json.Unmarshal(body, &s); err != nil {
		return fmt.Errorf("%s is not a state file: %w", p.cfg.StateFile, err)
	}
	if s.Version != stateVersion || s.PoolID != p.cfg.PoolID || len(s.Secret) == 0 {
		return fmt.Errorf("%s belongs to another version or pool", p.cfg.StateFile)
	}
	return p.restore(s)
}

func (p *Pool) restore(s state) error {
	p.secret = s.Secret
	switch s.MFA {
	case MFAOff, MFAOptional, MFARequired:
		p.mfa = s.MFA
	case "": // absent in files of earlier versions
	default:
		return fmt.Errorf("the MFA mode %q is not OFF, OPTIONAL or ON", s.MFA)
	}
	var pairs []*keyPair
	for _, k := range s.Keys {
		parsed, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
		if err != nil {
			return fmt.Errorf("reading a signing key: %w", err)
		}
		key, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return errors.New("a signing key is not RSA")
		}
		pairs = append(pairs, &keyPair{kid: k.Kid, use: k.Use, key: key})
	}
	if len(pairs) >= 2 {
		p.keys.access, p.keys.id, p.keys.old = pairs[0], pairs[1], pairs[2:]
	}
	if slices.Contains(s.Groups, nil) || slices.Contains(s.Users, nil) {
		return errors.New("an entry is empty")
	}
	for _, g := range s.Groups {
		p.groups[g.Name] = g
	}
	for _, u := range s.Users {
		if u.Attributes == nil {
			u.Attributes = map[string]string{}
		}
		p.users[u.Username] = u
	}
	now := p.cfg.Now()
	for origin, family := range s.SignIns {
		if family == nil || now.After(family.Expires.Add(p.cfg.AccessTokenLife+time.Minute)) {
			continue
		}
		p.signIns[origin] = family
		for _, r := range family.Refresh {
			if len(r.Hash) != len(tokenHash{}) {
				return errors.New("a refresh token's hash has the wrong length")
			}
			p.refresh[tokenHash(r.Hash)] = origin
		}
	}
	return nil
}
