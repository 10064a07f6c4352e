package accesslog_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"usher/backend/accesslog"
)

// lines returns a logger without times.
func lines(to *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func ExampleWrite() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	accesslog.Write(context.Background(), log, accesslog.Line{
		Request: "01M8GZ", Verb: "list", Status: 200, Took: 3 * time.Millisecond, Address: "192.0.2.7", Sub: "ada",
	})
	// Output: level=INFO msg=request request=01M8GZ verb=list status=200 took=3ms ip=192.0.2.7 sub=ada
}

// The level follows the status, and foreign text is escaped.
func TestWrite(t *testing.T) {
	for _, row := range []struct {
		line accesslog.Line
		want []string
	}{
		{accesslog.Line{Status: 503, Err: errors.New("no disk")}, []string{"level=ERROR", `error="no disk"`}},
		{accesslog.Line{Status: 503, Code: "audit_unavailable", Err: errors.New("x")}, []string{"code=audit_unavailable"}},
		{accesslog.Line{Status: 200, Denied: 3}, []string{"denied=3"}},
		{accesslog.Line{Status: 404, Err: errors.New("denied")}, []string{"level=INFO", "error=denied"}},
		{accesslog.Line{Status: 200, Storage: errors.New("slow down")}, []string{"level=INFO", `storage="slow down"`}},
		{accesslog.Line{Status: 400, Err: errors.New("\x1b[2J"), Sub: "\u202e"}, []string{`u{1b}`, `u{202e}`}},
	} {
		var out strings.Builder
		accesslog.Write(t.Context(), lines(&out), row.line)
		for _, want := range row.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the line %q has no %q", out.String(), want)
			}
		}
		if strings.ContainsAny(out.String(), "\x1b\u202e") {
			t.Errorf("raw text in %q", out.String())
		}
	}
}
