package backend

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// invalidSource is the recorded address where there is none: the peer, or an
// entry that a trusted proxy forwarded, does not parse.
const invalidSource = "invalid"

// source is the address that a request came from. X-Forwarded-For counts only
// when the peer is a configured proxy, and then its right-most address that is
// not one. An entry that does not parse ends the walk as invalidSource: the
// proxy's own address would pass for the client's.
func (b *Backend) source(h *http.Request) string {
	host, _, err := net.SplitHostPort(h.RemoteAddr)
	if err != nil {
		host = h.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return invalidSource
	}
	addr = plain(addr)
	hops := strings.Split(strings.Join(h.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && b.trusted(addr); i-- {
		hop := strings.Trim(hops[i], " \t")
		if hop == "" { // SPEC: RFC 9110 §5.6.1.2, empty list elements are ignored
			continue
		}
		next, ok := forwarded(hop)
		if !ok {
			return invalidSource
		}
		addr = next
	}
	return addr.String()
}

func (b *Backend) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(b.c.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// forwarded parses one entry of X-Forwarded-For: an address, which some
// proxies write with a port, in brackets, or in quotes.
// SPEC: RFC 7239 §6 for the quotes; Elastic Load Balancing, "X-Forwarded-For",
// routing.http.xff_client_port, for the port.
func forwarded(hop string) (netip.Addr, bool) {
	if len(hop) > 1 && hop[0] == '"' && hop[len(hop)-1] == '"' {
		hop = hop[1 : len(hop)-1]
	}
	if a, err := netip.ParseAddr(hop); err == nil {
		return plain(a), true
	}
	if a, err := netip.ParseAddrPort(hop); err == nil {
		return plain(a.Addr()), true
	}
	if inner, ok := strings.CutPrefix(hop, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			a, err := netip.ParseAddr(inner)
			return plain(a), err == nil && a.Is6()
		}
	}
	return netip.Addr{}, false
}

// plain is the form in which addresses are compared and recorded: IPv4 as
// such, and no zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
