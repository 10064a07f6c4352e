package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/cells"
	"usher/session"
)

// DeployOptions are the options of a deployment. An empty one is a question, or
// keeps its value.
type DeployOptions struct {
	Stack, Region string
	Buckets       []string // BUCKET or BUCKET/PREFIX/
	Admin         string   // e-mail address of the first person
	Program       string   // the zip of the functions
	Parameters    map[string]string
	Adopt         []string // yes, no, or NAME=ID of data that an earlier stack left
	Yes           bool
}

// DeployLine is a line about a deployment. Its JSON form is that of --json.
type DeployLine struct {
	Kind    string `json:"kind"` // check, change, progress or note
	Subject string `json:"subject,omitempty"`
	Type    string `json:"type,omitempty"`
	Status  string `json:"status,omitempty"`
	Text    string `json:"text,omitempty"`
	Done    int    `json:"done,omitempty"`
	Total   int    `json:"total,omitempty"`
}

// DeployScreen shows a deployment and has its questions.
type DeployScreen interface {
	Ask(ctx context.Context, question, suggestion string) (string, error)
	Show(line DeployLine)
}

// Deployed is a deployed stack.
type Deployed struct {
	Stack, Region, URL, Admin string
	Outputs                   map[string]string
}

// Deployer deploys with the AWS credentials of the person.
type Deployer interface {
	Deploy(ctx context.Context, o DeployOptions, s DeployScreen) (Deployed, error)
	Check(ctx context.Context, o DeployOptions, s DeployScreen) (fine bool, err error)
	Delete(ctx context.Context, o DeployOptions, s DeployScreen) error
	Template() string
}

func (a *app) deployCommand() *cobra.Command {
	var o DeployOptions
	var set []string
	var check, remove, template bool
	cmd := &cobra.Command{
		Use:     "deploy",
		Short:   "Deploy usher into your AWS account, as one CloudFormation stack",
		GroupID: "machine",
		Long: `Deploy usher into your AWS account, or update it. AWS credentials come from the standard AWS configuration. A new stack has four questions: the region, the buckets, the e-mail address of the first person, and the agreement to the changes. Before that, only the program is uploaded, to a private bucket.

If a deleted stack of this name left its tables, buckets, key and user pool, usher offers to take them into the new stack; its buckets and parameters are then known.

After Ctrl-C the deployment goes on in AWS; the same command follows it again. If it fails, AWS restores the state before it, and usher prints the reason of the first failure.

The program of the functions is usher-lambda-arm64.zip beside usher or in the current folder, bin/lambda-arm64.zip of make lambda, or that of --zip.

--check checks a deployed stack, its buckets and the largest token, and changes nothing: exit code 1 with warnings. --print-template prints the template. --delete deletes the stack; its data stays. With --json each line is {"kind","subject","type","status","text","done","total"}, and the last one {"kind":"done","stack","region","url","pin","admin","outputs"}.`,
		Example: `
usher deploy
usher deploy --bucket company-reports --bucket builds/public/
usher deploy --set AlarmEmail=ops@example.com
usher deploy --check
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "deploy takes flags only."); err != nil {
				return err
			}
			var err error
			if o.Parameters, err = assignments(set); err != nil {
				return err
			}
			ctx := cmd.Context()
			switch {
			case moreThanOne(check, remove, template):
				return usagef("Give one of --check, --delete and --print-template.")
			case template:
				_, err := io.WriteString(a.Out, a.Deployer.Template())
				return err
			case check:
				fine, err := a.Deployer.Check(ctx, o, a.deployScreen())
				if err == nil && !fine {
					return &failedError{text: "Some of these need your attention.", exit: api.ExitMixed}
				}
				return err
			case remove:
				return a.following(ctx, func(s DeployScreen) error { return a.Deployer.Delete(ctx, o, s) })
			}
			return a.deploy(ctx, o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.Stack, "stack", "usher", "name of the stack")
	f.StringVar(&o.Region, "region", "", "region of AWS")
	f.StringArrayVar(&o.Buckets, "bucket", nil, "BUCKET or BUCKET/PREFIX/ that people may browse; may be repeated")
	f.StringVar(&o.Admin, "admin", "", "e-mail address of the first person")
	f.StringVar(&o.Program, "zip", "", "program of the functions")
	f.StringArrayVar(&set, "set", nil, "NAME=VALUE of another parameter of the template; may be repeated")
	f.StringArrayVar(&o.Adopt, "adopt", nil, "take over the data that a deleted stack left: yes, no, or NAME=ID; may be repeated")
	f.BoolVar(&o.Yes, "yes", false, "agree to changes that leave all data in place")
	f.BoolVar(&check, "check", false, "check a deployed stack")
	f.BoolVar(&remove, "delete", false, "delete the stack; its data stays")
	f.BoolVar(&template, "print-template", false, "print the template")
	_ = cmd.MarkFlagFilename("zip", "zip")
	return cmd
}

// deployedLine is the last JSON line of deploy.
type deployedLine struct {
	Kind    string            `json:"kind"` // done
	Stack   string            `json:"stack"`
	Region  string            `json:"region"`
	URL     string            `json:"url"`
	Pin     string            `json:"pin,omitempty"`
	Admin   string            `json:"admin,omitempty"`
	Outputs map[string]string `json:"outputs"`
}

func moreThanOne(all ...bool) bool {
	n := 0
	for _, b := range all {
		if b {
			n++
		}
	}
	return n > 1
}

// assignments parses NAME=VALUE.
func assignments(all []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range all {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("%s is not NAME=VALUE.", safe(text))
		}
		if _, twice := out[name]; twice {
			return nil, usagef("--set %s is there twice.", safe(name))
		}
		out[name] = value
	}
	return out, nil
}

// program returns the zip for an architecture: the given one, or that of the
// release beside usher, or that of make lambda.
func (o DeployOptions) program() string {
	if o.Program != "" {
		return o.Program
	}
	arch := o.Parameters["Architecture"]
	if arch == "" {
		arch = "arm64"
	}
	places := []string{"usher-lambda-" + arch + ".zip", filepath.Join("bin", "lambda-"+arch+".zip")}
	if own, err := os.Executable(); err == nil {
		places = append([]string{filepath.Join(filepath.Dir(own), places[0])}, places...)
	}
	for _, p := range places {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

// following adds the way back to an interrupted operation.
func (a *app) following(ctx context.Context, run func(s DeployScreen) error) error {
	s := a.deployScreen()
	err := run(s)
	s.status.end()
	if ctx.Err() != nil && s.running {
		a.hint("It goes on in AWS. Run the same command again to follow it.")
	}
	return err
}

func (a *app) deploy(ctx context.Context, o DeployOptions) error {
	o.Program = o.program()
	var d Deployed
	err := a.following(ctx, func(s DeployScreen) (err error) {
		d, err = a.Deployer.Deploy(ctx, o, s)
		return err
	})
	if err != nil {
		return err
	}
	pin, err := a.trust(ctx, d)
	if err != nil {
		return err
	}
	if a.json {
		a.writeJSON(a.Out, deployedLine{"done", d.Stack, d.Region, d.URL, pin, d.Admin, d.Outputs})
		return nil
	}
	fmt.Fprintf(a.Out, "\nusher is deployed: %s\n", safe(d.URL))
	if pin == "" {
		fmt.Fprintf(a.Out, "It does not answer yet. If its name is new in the DNS, wait, and then run: usher configure %s\n", safe(d.URL))
		return nil
	}
	login := "usher login"
	if d.Admin != "" {
		login += " --username " + shellQuote(d.Admin)
	}
	fmt.Fprintf(a.Out, "This machine trusts it. Sign in: %s\n", login)
	fmt.Fprintf(a.Out, "For everyone else: usher configure %s#%s\n", safe(d.URL), pin)
	return nil
}

// answerTime bounds the wait for the first answer of a new server, and for its
// first sealed event: the key of the log is part of the pin.
const (
	answerTime  = 3 * time.Minute
	answerPause = 5 * time.Second
)

// trust saves the deployed server. Its settings come over TLS, and must be those
// of the stack. It returns the pin, or "" while the server does not answer.
func (a *app) trust(ctx context.Context, d Deployed) (string, error) {
	config, answers := a.answer(ctx, d, answerPause)
	if !answers {
		return "", ctx.Err()
	}
	if config.UserPoolID != d.Outputs["UserPoolId"] || config.ClientID != d.Outputs["ClientId"] || config.Region != d.Region {
		return "", &failedError{text: "The server at " + safe(d.URL) + " is another one than that of the stack. Check the DNS record of its domain.", exit: api.ExitIntegrity}
	}
	p, err := session.NewProfile(a.profile, d.URL, config)
	if err != nil {
		return "", err
	}
	p.Keyring = session.KeyringAuto
	return config.Pin(), a.Folders.SaveProfile(p)
}

// answer waits for the server and for the key of its log, with pauses between
// requests.
func (a *app) answer(ctx context.Context, d Deployed, pause time.Duration) (config api.Config, answers bool) {
	end := a.Now().Add(answerTime)
	for told := false; ; {
		found, err := session.Discover(ctx, d.URL)
		if err == nil {
			config, answers = found, true
		}
		if answers && (config.AuditLog.Key != "" || d.Outputs["SealFunctionName"] == "") || !a.Now().Before(end) {
			return config, answers
		}
		if !told {
			a.hint("Waiting for the first answer of the server and the first seal of its log.")
			told = true
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return config, false
		}
	}
}

// deployScreen prints lines, and one line with a bar on a terminal.
type deployScreen struct {
	*app
	running bool       // an operation was seen
	status  statusLine // the bar
}

func (a *app) deployScreen() *deployScreen { return &deployScreen{app: a, status: statusLine{app: a}} }

// Ask reads an answer from the terminal.
func (s *deployScreen) Ask(ctx context.Context, question, suggestion string) (string, error) {
	if !s.InTTY {
		return "", usagef("There is no terminal for the question: %s. Give the answer as a flag; usher deploy --help lists them.", question)
	}
	s.status.end()
	if suggestion != "" {
		question += " [" + safe(suggestion) + "]"
	}
	answer, err := s.prompt(ctx, question+": ")
	if answer = strings.TrimSpace(answer); answer == "" {
		answer = suggestion
	}
	return answer, err
}

// Show prints a line.
func (s *deployScreen) Show(l DeployLine) {
	s.running = s.running || l.Kind == "progress"
	if s.json {
		s.writeJSON(s.Out, l)
		return
	}
	s.status.end()
	switch {
	case l.Kind != "progress":
		fmt.Fprintln(s.Err, strings.TrimRight(fmt.Sprintf("%-10s %s", orNote(l.Status), l.line()), " "))
	case strings.HasSuffix(l.Status, "_FAILED"):
		fmt.Fprintf(s.Err, "failed     %s\n", l.line())
	case s.paints():
		s.draw(l)
	case strings.HasSuffix(l.Status, "_COMPLETE"):
		fmt.Fprintf(s.Err, "%-10s %s %s\n", counted(l), l.Subject, l.Status)
	}
}

func orNote(status string) string {
	if status == "" {
		return "note"
	}
	return status
}

func counted(l DeployLine) string {
	if l.Total == 0 {
		return fmt.Sprint(l.Done)
	}
	return fmt.Sprintf("%d/%d", l.Done, l.Total)
}

// line is the text of a line without its state.
func (l DeployLine) line() string {
	var parts []string
	for _, p := range []string{l.Subject, l.Type, l.Text} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, "  ")
}

// cells of the bar.
const barCells = 24

// draw writes the bar.
func (s *deployScreen) draw(l DeployLine) {
	text := fmt.Sprintf("%s %s", l.Subject, l.Status)
	if l.Total > 0 {
		full := barCells * l.Done / l.Total
		text = fmt.Sprintf("[%s%s] %s  %s", strings.Repeat("#", full), strings.Repeat("-", barCells-full), counted(l), text)
	}
	if width := terminalWidth(s.Err); width > 1 {
		text = cells.Truncate(text, width-1, "")
	}
	s.status.show(text)
}
