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

// ports is the first of a demo's three consecutive ports on 127.0.0.1: usher's
// server, S3 and the sign-in service. 0 means three free ports.
type ports int

const (
	maxPort = 1<<16 - 1

	// A stored port must be free at each later start. Operating systems assign
	// higher ports to outgoing connections (Linux from 32768, RFC 6335 §6 from
	// 49152).
	keptFrom, keptTo = 20000, 30000
	keptTries        = 100
)

// portFile stores the port in a demo directory that is reused.
const portFile = "port.json"

type storedPort struct {
	Port ports `json:"port"`
}

// choosePorts returns the ports of a demo. A port other than 0 is the first of
// the three. Otherwise dir provides the stored port, or free ports are chosen.
// dir is "" if no port is stored.
func choosePorts(ctx context.Context, dir string, port int) (ports, error) {
	if port < 0 || port > maxPort-2 {
		return 0, fmt.Errorf("the port must be 1 to %d: the two ports after it are used too", maxPort-2)
	}
	if dir == "" || port != 0 {
		return ports(port), nil
	}
	stored, err := readPort(filepath.Join(dir, portFile))
	if err != nil || stored != 0 {
		return stored, err
	}
	return freePorts(ctx)
}

// store writes p into dir for the next start.
func (p ports) store(dir string) error {
	body, err := json.Marshal(storedPort{p})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, portFile), append(body, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("storing the demo's port: %w", err)
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
	var stored storedPort
	if err := json.Unmarshal(raw, &stored); err != nil || stored.Port < 1 || stored.Port > maxPort-2 {
		return 0, fmt.Errorf("%s contains no valid port; remove it, or choose a port with --port", file)
	}
	return stored.Port, nil
}

// freePorts returns three consecutive free ports.
func freePorts(ctx context.Context) (ports, error) {
	for range keptTries {
		p := ports(keptFrom + rand.IntN(keptTo-keptFrom))
		if p.free(ctx) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("no three consecutive free ports between %d and %d; choose a port with --port", keptFrom, keptTo)
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

// explain adds a remedy to the error of a port in use.
func (p ports) explain(err error) error {
	if p != 0 && errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: stop the program that uses this port (another demo with the same directory?), or choose other ports with --port", err)
	}
	return err
}
