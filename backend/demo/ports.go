package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// ports is the first of a demo's three ports on 127.0.0.1: of usher's server,
// then of S3, then of the sign-in service. 0 takes three free ones.
type ports int

const (
	maxPort = 1<<16 - 1

	// A kept port must be free at each later start. Systems give outgoing
	// connections higher ones (Linux from 32768, RFC 6335 §6 from 49152).
	keptFrom, keptTo = 20000, 30000
	keptTries        = 100
)

// portFile is kept in a directory that is used again.
const portFile = "port.json"

type keptPort struct {
	Port ports `json:"port"`
}

// choosePorts returns the ports of a demo: those from port on if it is not 0,
// otherwise those that dir keeps, or free ones. dir is "" if it keeps none.
func choosePorts(ctx context.Context, dir string, port int) (ports, error) {
	if port < 0 || port > maxPort-2 {
		return 0, fmt.Errorf("the port must be 1 to %d: the two ports after it are used too", maxPort-2)
	}
	if dir == "" || port != 0 {
		return ports(port), nil
	}
	kept, err := readPort(filepath.Join(dir, portFile))
	if err != nil || kept != 0 {
		return kept, err
	}
	return freePorts(ctx)
}

// keep stores p in dir for the next start.
func (p ports) keep(dir string) error {
	body, err := json.Marshal(keptPort{p})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, portFile), append(body, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keeping the demo's port: %w", err)
	}
	return nil
}

func readPort(file string) (ports, error) {
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the demo's port: %w", err)
	}
	var kept keptPort
	if err := json.Unmarshal(raw, &kept); err != nil || kept.Port < 1 || kept.Port > maxPort-2 {
		return 0, fmt.Errorf("%s holds no port; remove it, or choose one with --port", file)
	}
	return kept.Port, nil
}

// freePorts finds three free ports in a row.
func freePorts(ctx context.Context) (ports, error) {
	for range keptTries {
		p := ports(keptFrom + rand.IntN(keptTo-keptFrom))
		if p.free(ctx) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("no three free ports in a row between %d and %d; choose one with --port", keptFrom, keptTo)
}

func (p ports) free(ctx context.Context) bool {
	for i := range 3 {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address(int(p)+i))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

func (p ports) server() string { return address(int(p)) }

func (p ports) s3() int { return p.after(1) }

func (p ports) cognito() int { return p.after(2) }

func (p ports) after(n int) int {
	if p == 0 {
		return 0
	}
	return int(p) + n
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// explain adds the way out to an error about a port that is taken.
func (p ports) explain(err error) error {
	if p != 0 && errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: end the program that uses this port (another demo with the same directory?), or choose other ports with --port", err)
	}
	return err
}
