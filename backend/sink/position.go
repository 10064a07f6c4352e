package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"usher/backend/replace"
)

// File is a Position in a file: the name of the log and the number of delivered
// records. Another log begins at 0.
type File struct {
	Path string
	Log  string // name of the log, such as its public key
}

// Load returns the stored number; 0 without a file.
func (p File) Load(context.Context) (int64, error) {
	raw, err := os.ReadFile(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	count, log, _ := strings.Cut(strings.TrimSuffix(string(raw), "\n"), " ")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is damaged: remove it to send the log from its start", p.Path)
	}
	if log != p.Log {
		return 0, nil
	}
	return n, nil
}

// Store replaces the file.
func (p File) Store(_ context.Context, n int64) error {
	return replace.File(p.Path, fmt.Appendf(nil, "%d %s\n", n, p.Log))
}
