// Command prose counts marker words in the comments of a Go tree.
//
// A marker word indicates a sentence that names a thing by a clause or describes
// code as a person. The limits are twice the worst rate of seven readable code
// bases: age, restic, pkgsite, upspin, tessera, tailscale and crush.
//
// Usage: go run ./.ci/prose [-limit=false] [FOLDER]
//
// The command prints the rate of each word and the ten files with the most
// markers. It exits with 1 if a rate of the tree is above its limit, or if a rate
// of one file is above three times its limit.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// limit is the maximum number of occurrences of a word per 10,000 comment words.
type limit struct {
	word string
	most float64
}

func limits() []limit {
	return []limit{
		{"what", 13.2}, {"who", 2.6}, {"whoever", 0.2}, {"says", 1.8}, {"asks", 1.2},
		{"tells", 1.0}, {"anew", 0}, {"somebody", 0.8}, {"lies", 0.2}, {"stands", 1.0},
	}
}

// perFile is the factor from the limit of the tree to the limit of one file.
const perFile = 3

// counts has the numbers of comment words and of each marker word.
type counts struct {
	words   int
	markers map[string]int
}

func (c counts) rate(word string) float64 {
	if c.words == 0 {
		return 0
	}
	return float64(c.markers[word]) * 10_000 / float64(c.words)
}

func (c counts) total() (n int) {
	for _, k := range c.markers {
		n += k
	}
	return n
}

var word = regexp.MustCompile(`[A-Za-z][A-Za-z']*`)

// docName matches a capitalized first word of a comment. In a doc comment it is
// the name of the declaration.
var docName = regexp.MustCompile(`^// [A-Z][a-z]+ `)

// count returns the counts of the comments in one Go file. The name at the start
// of a doc comment is not counted.
func count(src []byte) counts {
	c := counts{markers: map[string]int{}}
	set := token.NewFileSet()
	var s scanner.Scanner
	s.Init(set.AddFile("", set.Base(), len(src)), src, nil, scanner.ScanComments)
	last := token.ILLEGAL
	for {
		_, tok, text := s.Scan()
		first := last != token.COMMENT
		last = tok
		switch tok {
		case token.EOF:
			return c
		case token.COMMENT:
			if strings.HasPrefix(text, "//go:") {
				continue
			}
			if first {
				text = docName.ReplaceAllString(text, "")
			}
			for _, w := range word.FindAllString(text, -1) {
				c.words++
				w = strings.TrimSuffix(strings.ToLower(w), "'s")
				if slices.ContainsFunc(limits(), func(l limit) bool { return l.word == w }) {
					c.markers[w]++
				}
			}
		}
	}
}

// tree returns the counts of each Go file below root.
func tree(root string) (map[string]counts, error) {
	files := map[string]counts{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files[path] = count(src)
		return nil
	})
	return files, err
}

func main() {
	enforce := flag.Bool("limit", true, "exit with 1 when a rate is above its limit")
	flag.Parse()
	files, err := tree(cmp.Or(flag.Arg(0), "."))
	if err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
		os.Exit(1)
	}
	if !report(files) && *enforce {
		os.Exit(1)
	}
}

// report prints the counts. It returns false if a limit is exceeded.
func report(files map[string]counts) bool {
	sum := counts{markers: map[string]int{}}
	for _, c := range files {
		sum.words += c.words
		for w, n := range c.markers {
			sum.markers[w] += n
		}
	}
	ok := true
	fmt.Printf("%d comment words in %d files; occurrences per 10,000 words (limit):\n", sum.words, len(files))
	for _, l := range limits() {
		mark := ""
		if sum.rate(l.word) > l.most {
			mark, ok = "  too many", false
		}
		fmt.Printf("  %-9s %6.1f (%.1f)%s\n", l.word, sum.rate(l.word), l.most, mark)
	}

	paths := make([]string, 0, len(files))
	for path := range files {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, func(a, b string) int {
		return cmp.Or(cmp.Compare(files[b].total(), files[a].total()), cmp.Compare(a, b))
	})
	fmt.Println("files with the most markers:")
	for i, path := range paths {
		c := files[path]
		var over []string
		for _, l := range limits() {
			if c.rate(l.word) > perFile*l.most {
				over = append(over, fmt.Sprintf("%s %.0f > %.0f", l.word, c.rate(l.word), perFile*l.most))
			}
		}
		if len(over) > 0 {
			ok = false
		}
		if (i < 10 && c.total() > 0) || len(over) > 0 {
			fmt.Printf("  %3d in %5d words  %s  %s\n", c.total(), c.words, path, strings.Join(over, ", "))
		}
	}
	return ok
}
