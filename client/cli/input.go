package cli

import (
	"fmt"
	"io"
	"os"

	"usher/backend/api"
)

// openInput opens a file that a command reads. The name - is stdin, which is not
// closed.
func openInput(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, &failedError{text: fmt.Sprintf("Can't read %s. Check its name and its permissions.", safe(name)), exit: api.ExitDisk, cause: err}
	}
	return f, nil
}
