package tuitest

import (
	"flag"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/charmbracelet/colorprofile"
)

// Goldens compares screens with the files in testdata/screens of a package. With
// -update it writes the files. A file that no test reads fails the package.
//
//	var goldens = tuitest.NewGoldens()
//
//	func TestMain(m *testing.M) { os.Exit(goldens.Main(m)) }
type Goldens struct {
	update *bool
	read   sync.Map // names of files
}

const goldenDir = "testdata/screens"

// NewGoldens defines the flag -update. Call it once in a test binary.
func NewGoldens() *Goldens {
	return &Goldens{update: flag.Bool("update", false, "write the screens instead of comparing them")}
}

// Main runs the tests and returns the exit code. After a run of all tests it reports
// files that no test has read.
func (g *Goldens) Main(m *testing.M) int {
	flag.Parse()
	code := m.Run()
	if code != 0 || flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		return code
	}
	unread, err := g.unread()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, name := range unread {
		fmt.Printf("%s: no test reads this screen\n", name)
		code = 1
	}
	return code
}

// unread lists the files that Compare has not read.
func (g *Goldens) unread() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.txt"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no screens in %s: %w", goldenDir, err)
	}
	var unread []string
	for _, f := range files {
		if _, ok := g.read.Load(f); !ok {
			unread = append(unread, f)
		}
	}
	return unread, nil
}

// Compare compares the screen of a terminal with a named file.
func (g *Goldens) Compare(t testing.TB, s *Screen, name string) {
	t.Helper()
	path := filepath.Join(goldenDir, name+".txt")
	g.read.Store(path, true)
	s.golden(t, path, *g.update)
}

// Size is a kind of terminal.
type Size struct {
	Name    string
	W, H    int
	Profile colorprofile.Profile
	ASCII   bool
}

// Sizes returns the terminals of every screen: a small one, a usual one, a large
// one, and one without colors and line drawing.
func Sizes() []Size {
	return []Size{
		{"80x24", 80, 24, colorprofile.TrueColor, false},
		{"120x40", 120, 40, colorprofile.ANSI256, false},
		{"200x50", 200, 50, colorprofile.TrueColor, false},
		{"80x24-mono", 80, 24, colorprofile.ASCII, true},
	}
}

// Each runs a named scene on each terminal, in fake time, and compares the screen.
func (g *Goldens) Each(t *testing.T, name string, sizes []Size, scene func(*testing.T, Size) *Screen) {
	t.Helper()
	for _, size := range sizes {
		t.Run(name+"-"+size.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { g.Compare(t, scene(t, size), name+"-"+size.Name) })
		})
	}
}
