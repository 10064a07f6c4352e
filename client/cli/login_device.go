package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"usher/client/qr"
	"usher/session"
)

// byDevice signs a person in through a browser on any device.
func (l *login) byDevice(ctx context.Context, conn connection) (session.Tokens, error) {
	if !l.InTTY {
		return session.Tokens{}, usagef("There is no terminal for the number of the page. In a job, use --username and --password-stdin.")
	}
	in, err := session.NewDeviceSignIn(ctx, conn.profile, l.sessionOptions())
	if err != nil {
		return session.Tokens{}, err
	}
	defer in.Close()
	l.showDevice(in)
	step, err := in.Wait(ctx)
	for err == nil && step.Kind == session.NeedNumber {
		var number string
		if number, err = l.prompt(ctx, "Number on the page: "); err != nil {
			break
		}
		step, err = in.Number(ctx, number)
		if errors.Is(err, session.ErrDeviceNumber) { // the server bounds the tries
			fmt.Fprintln(l.Err, explain(err).line)
			step, err = session.Step{Kind: session.NeedNumber}, nil
		}
	}
	return step.Tokens, err
}

// showDevice shows the address and the code, and a QR code of both.
func (l *login) showDevice(in *session.DeviceSignIn) {
	if l.paints() && l.Getenv("NO_COLOR") == "" {
		if code, err := qr.Draw(in.QR(), qr.Ink); err == nil {
			fmt.Fprintln(l.Err, strings.Join(code, "\n"))
		}
	}
	left := in.Expires().Sub(l.Now()).Round(time.Minute)
	fmt.Fprintf(l.Err, "Open %s in a browser on any device and enter %s\n", in.Address(), in.UserCode())
	fmt.Fprintf(l.Err, "Waiting for the browser, for %d minutes at most. Ctrl-C stops.\n", int(left/time.Minute))
}
