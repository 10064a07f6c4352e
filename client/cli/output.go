package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"usher/backend/api"
	"usher/backend/safetext"
)

// output is stdout for all output of a command. After the first failed write it
// writes nothing more and keeps the error, so that a command that ignores the
// result of a write still ends with exit code 7.
type output struct {
	to     io.Writer
	before func() // called before each write; nil: nothing

	mu  sync.Mutex
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.before != nil {
		o.before()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	o.err = err
	return n, err
}

// Read, Close and Fd make output a file for colorprofile, which detects a
// terminal. Nothing reads from stdout, and finish closes it.
func (o *output) Read([]byte) (int, error) { return 0, io.EOF }
func (o *output) Close() error             { return nil }
func (o *output) Fd() uintptr {
	if f, ok := o.to.(*os.File); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}

// failure returns the first failure of a write, or nil.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return outputError(o.err)
}

// finish closes stdout and returns the first failure. Some file systems report a
// failed write only at close(2).
func (o *output) finish() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f, ok := o.to.(*os.File); ok && o.err == nil {
		o.err = f.Close()
	}
	return outputError(o.err)
}

// exitPipe is the exit code of a shell for SIGPIPE. usher ends with it even if
// the signal is ignored.
const exitPipe = 128 + int(syscall.SIGPIPE)

func outputError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.EPIPE) {
		return &failedError{text: "The reader of the output is gone.", exit: exitPipe, cause: err}
	}
	reason := err.Error()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		reason = errno.Error()
	}
	return &failedError{
		text: fmt.Sprintf("Can't write the output: %s. It is not complete.", safetext.Line(reason)),
		exit: api.ExitDisk, cause: err,
	}
}

// unwritten returns the first failure of a write to stdout. A command with many
// pages checks it after each page, and stops early.
func (a *app) unwritten() error {
	if o, ok := a.Out.(*output); ok {
		return o.failure()
	}
	return nil
}
