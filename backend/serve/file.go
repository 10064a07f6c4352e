package serve

import (
	"context"
	"os"
	"time"

	"usher/backend/audit/tree"
)

// RunFile runs the server of a configuration file until ctx ends. Each value of
// reload makes the server read the file again. If acceptLost is set, the server
// starts although its log has lost records.
func RunFile(ctx context.Context, file string, acceptLost bool, reload <-chan os.Signal, d Deps) error {
	config, err := Load(file)
	if err != nil {
		return err
	}
	config.AcceptLost = acceptLost
	server, err := New(ctx, config, d, nil)
	if err != nil {
		return err
	}
	d.Log.Info("listening", "address", server.Addr().String(), "public_url", config.PublicURL, "configure", server.Pinned(ctx))
	go server.Try(ctx)
	go func() {
		for range reload {
			server.ReloadFile(ctx, file)
		}
	}()
	return server.Run(ctx)
}

// CheckFile runs Check with a configuration file.
func CheckFile(ctx context.Context, file string, d Deps) ([]Finding, error) {
	config, err := Load(file)
	if err != nil {
		return nil, err
	}
	return Check(ctx, config, d, nil)
}

// CreateTablesFile runs CreateTables with a configuration file.
func CreateTablesFile(ctx context.Context, file string, d Deps) ([]string, error) {
	config, err := Load(file)
	if err != nil {
		return nil, err
	}
	return CreateTables(ctx, config, d, nil)
}

// BackupFile copies an audit log to file: the log of a configuration file, or, if
// config is empty, the log at path. See Backup.
func BackupFile(ctx context.Context, config, path, file string) (tree.Head, error) {
	if config != "" {
		c, err := Load(config)
		if err != nil {
			return tree.Head{}, err
		}
		path = c.Audit
	}
	return Backup(ctx, path, file)
}

// ReindexFile runs Reindex with a configuration file.
func ReindexFile(ctx context.Context, file string, d Deps, progress func(hour time.Time)) error {
	config, err := Load(file)
	if err != nil {
		return err
	}
	return Reindex(ctx, config, d, nil, progress)
}
