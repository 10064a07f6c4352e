package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/witness"
)

// WitnessConfig is the YAML configuration of `usher audit witness --config FILE`.
// Relative paths are relative to the file.
type WitnessConfig struct {
	Listen string   `yaml:"listen"` // address:port
	Name   string   `yaml:"name"`   // in cosignatures, like witness.example.com/usher
	Key    string   `yaml:"key"`    // file with the secret key; created at the first start
	State  string   `yaml:"state"`  // file with the last cosigned checkpoints
	Logs   []string `yaml:"logs"`   // public keys of logs, or files with one
	TLS    TLS      `yaml:"tls"`    // optional
}

// loadWitness reads a configuration of a witness.
func loadWitness(path string) (c WitnessConfig, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("reading the configuration: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(raw, &c, yaml.Strict()); err != nil {
		return c, fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, false))
	}
	if c.Key == "" {
		c.Key = "witness.key"
	}
	if c.State == "" {
		c.State = "witness.json"
	}
	for _, p := range []*string{&c.Key, &c.State, &c.TLS.Cert, &c.TLS.Key} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(path), *p)
		}
	}
	for i, log := range c.Logs {
		file := log
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(path), file)
		}
		if raw, err := os.ReadFile(file); err == nil {
			c.Logs[i] = string(raw)
		}
	}
	switch {
	case c.Listen == "" || c.Name == "":
		return c, fmt.Errorf("%s: listen and name are required", path)
	case len(c.Logs) == 0:
		return c, fmt.Errorf("%s: logs needs the public key of a log, like that in audit.key.pub", path)
	case (c.TLS.Cert == "") != (c.TLS.Key == ""):
		return c, fmt.Errorf("%s: tls needs both cert and key", path)
	}
	return c, nil
}

// WitnessFile runs the witness of a configuration file until ctx ends. It calls
// ready with the address and the public key.
func WitnessFile(ctx context.Context, path string, d Deps, ready func(address, key string)) error {
	c, err := loadWitness(path)
	if err != nil {
		return err
	}
	state, err := witness.OpenFile(c.State)
	if err != nil {
		return err
	}
	return errors.Join(runWitness(ctx, c, state, d, ready), state.Close())
}

func runWitness(ctx context.Context, c WitnessConfig, state *witness.File, d Deps, ready func(address, key string)) error {
	cosigner, err := witnessKey(c, d)
	if err != nil {
		return err
	}
	config := witness.Config{Cosigner: cosigner, State: state}
	for _, key := range c.Logs {
		v, err := checkpoint.NewVerifier(key)
		if err != nil {
			return err
		}
		config.Logs = append(config.Logs, v)
	}
	handler, err := witness.New(config)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", c.Listen, err)
	}
	web := &http.Server{Handler: handler, ReadHeaderTimeout: readHeader, ReadTimeout: readAll, WriteTimeout: writeAll, IdleTimeout: idle, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, 1)
	go func() {
		if c.TLS.Cert != "" {
			failed <- web.ServeTLS(limitConns(listener, maxConns), c.TLS.Cert, c.TLS.Key)
			return
		}
		failed <- web.Serve(limitConns(listener, maxConns))
	}()
	ready(listener.Addr().String(), cosigner.Key())
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainPeriod)
	defer cancel()
	return web.Shutdown(drain)
}

// witnessKey reads the key of a witness, or creates it at the first start.
func witnessKey(c WitnessConfig, d Deps) (*checkpoint.Cosigner, error) {
	info, err := os.Stat(c.Key)
	if errors.Is(err, fs.ErrNotExist) {
		secret, err := checkpoint.GenerateWitness(d.Rand, c.Name)
		if err != nil {
			return nil, err
		}
		if err := writeSecret(c.Key, secret+"\n"); err != nil {
			return nil, fmt.Errorf("creating the key of the witness: %w", err)
		}
		info, err = os.Stat(c.Key)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, fmt.Errorf("reading the key of the witness: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is readable by other users: run chmod 600 %s", c.Key, c.Key)
	}
	raw, err := os.ReadFile(c.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the witness: %w", err)
	}
	cosigner, err := checkpoint.NewCosigner(string(raw), func() time.Time { return d.Now() })
	if err != nil {
		return nil, err
	}
	if cosigner.Name() != c.Name {
		return nil, fmt.Errorf("the key in %s is that of %s, and the configuration names %s", c.Key, cosigner.Name(), c.Name)
	}
	if err := os.WriteFile(c.Key+publicSuffix, []byte(cosigner.Key()+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("writing the public key of the witness: %w", err)
	}
	return cosigner, nil
}

// writeSecret creates a file of its owner. It never replaces one.
func writeSecret(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
