package seed

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"time"

	"usher/backend/sandbox/s3"
)

// SamplesPrefix is a folder in Builds with a file of each kind that the browser shows
// and that no other folder has.
const SamplesPrefix = "samples/"

func (l *loader) samples() {
	const dir = SamplesPrefix
	when := day(2026, 11, 3)
	report := newLines(buildLog(when), seedOf(dir), 300_000)
	l.text(dir+"README.md", when, sampleMarkdown)
	l.text(dir+"main.go", when, sampleSource)
	l.text(dir+"deploy.yaml", when, "# The appliance of a site\nimage: usher-appliance-2026.11\nreplicas: 2\nlimits: {memory: 512Mi, cpu: \"1\"}\nports:\n  - 8443 # HTTPS\n")
	l.text(dir+"platforms.tsv", when, "platform\tarchive\tsince\nlinux/amd64\ttar.gz\t1.0.0\nlinux/arm64\ttar.gz\t1.0.0\nwindows/amd64\tzip\t1.3.0\n")
	l.content(dir+"build.log.gz", when.Add(time.Minute), gzipped{report})
	l.content(dir+"reports.zip", when.Add(2*time.Minute), sampleZip(when))
}

// sampleZip returns an archive of reports. Its files are stored, so that its size is
// known without a compression.
func sampleZip(when time.Time) s3.Content {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range 12 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("reports/2026/build-%02d.csv", i+1), Modified: when.AddDate(0, 0, i-20)})
		if err != nil {
			continue // a buffer has no errors
		}
		_, _ = f.Write([]byte("step,seconds,result\n" + strings.Repeat(fmt.Sprintf("compile,%d,ok\ntest,%d,ok\n", 40+i, 90+3*i), 20+i)))
	}
	_ = w.Close()
	return text(b.String())
}

const sampleMarkdown = `# Samples

Files of **different kinds**. In the browser, ` + "`v`" + ` reads the file under the cursor without a download:

- *main.go* and *deploy.yaml*: source with colors
- *platforms.tsv*: a table
- *build.log.gz*: the text inside
- *reports.zip*: the list of its files, by its last bytes alone

| key | effect |
|---|---|
| / | finds a text |
| w | wraps long lines |
| v | the next view of the file |

> Each read is recorded in the audit log, as a preview.
`

const sampleSource = `// Command hello prints a greeting.
package main

import (
	"fmt"
	"os"
)

/* The greeting has one verb,
   for the name. */
const greeting = "Hello, %s!\n"

func main() {
	name := "world"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	for i := range 3 { // three times
		fmt.Printf("%d: "+greeting, i+1, name)
	}
}
`
