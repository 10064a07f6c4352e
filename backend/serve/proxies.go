package serve

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

func (c Config) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range c.Proxies {
		p, err := proxy(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %q %w", s, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// mappedBits is the length of ::ffff:0:0/96, the prefix of all IPv4-mapped
// addresses (RFC 4291 §2.5.5.2).
const mappedBits = 96

// proxy parses an address or a network. IPv4-mapped peers are compared as IPv4,
// so proxy converts a mapped network to IPv4.
func proxy(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, aerr := netip.ParseAddr(s)
		if aerr != nil {
			return p, errors.New("is neither an address nor a network")
		}
		a = a.WithZone("")
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if !p.Addr().Is4In6() {
		return p.Masked(), nil
	}
	if p.Bits() < mappedBits {
		return p, errors.New("covers more than the IPv4-mapped addresses: write the IPv4 network, like 10.0.0.0/8")
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits).Masked(), nil
}
