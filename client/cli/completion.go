package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"usher/client/cli/shellline"
)

// completionShells are the shells of usher completion.
func completionShells() []string { return []string{"bash", "zsh", "fish", "powershell"} }

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "completion SHELL",
		Short:   "Print the completion of a shell: bash, zsh, fish or powershell",
		GroupID: "machine",
		Long: `Print the completion of a shell: commands, flags, remote paths, profiles, and for auditors and admins people, groups and the terms of usher audit.

Names come from your server, by at most one request for a key press, and are kept for 30 seconds (people and groups: 5 minutes) in a private file of your cache folder. usher logout removes it.

bash: put source <(usher completion bash) into ~/.bashrc. zsh: save the output as _usher in a folder of $fpath, or put source <(usher completion zsh) into ~/.zshrc after compinit. fish: save it as ~/.config/fish/completions/usher.fish.`,
		Example: `
usher completion bash
`,
		ValidArgsFunction: cobra.FixedCompletions(completionShells(), cobra.ShellCompDirectiveNoFileComp),
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, 1, "completion takes the name of a SHELL: bash, zsh, fish or powershell."); err != nil {
				return err
			}
			text, err := CompletionScript(cmd.Root(), args[0])
			if err == nil {
				_, err = io.WriteString(a.Out, text)
			}
			return err
		}),
	}
}

// CompletionScript returns the completion of a shell for the tree of commands.
func CompletionScript(root *cobra.Command, shell string) (string, error) {
	switch shell {
	case "bash":
		return bashCompletion, nil
	case "zsh":
		return zshCompletion, nil
	case "fish":
		return fishCompletion, nil
	case "powershell":
		var out bytes.Buffer
		err := root.GenPowerShellCompletionWithDesc(&out)
		return out.String(), err
	}
	return "", usagef("There is no completion for %s. The shells are bash, zsh, fish and powershell.", safe(shell))
}

// The scripts run nothing that is on the line: words are data of usher __line.
const bashCompletion = `# bash completion of usher
_usher() {
    local program=$1 line mode='' out
    type -P -- "$program" >/dev/null 2>&1 || program=usher
    COMPREPLY=()
    out=$("$program" __line bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null) || return 0
    while IFS= read -r line; do
        if [[ -z $mode ]]; then mode=$line; else COMPREPLY+=("$line"); fi
    done <<<"$out"
    case $mode in
        open) compopt -o nospace 2>/dev/null ;;
        files) compopt -o default 2>/dev/null ;;
        dirs) compopt -o dirnames 2>/dev/null ;;
    esac
}
complete -F _usher usher
`

const zshCompletion = `#compdef usher
# zsh completion of usher
_usher() {
    emulate -L zsh
    local program=${(Q)words[1]} mode line word
    local -a out closed open closedtext opentext
    (( $+commands[$program] )) || [[ -x $program ]] || program=usher
    out=("${(@f)$("$program" __line zsh "${compstate[quote]}" "$PREFIX" "${(@Q)words[2,CURRENT-1]}" 2>/dev/null)}")
    mode=$out[1]
    shift out
    case $mode in
        files) _files; return ;;
        dirs) _files -/; return ;;
    esac
    for line in "${out[@]}"; do
        [[ -n $line ]] || continue
        word=${line%%$'\t'*}
        if [[ $word == *[/:=] ]]; then
            open+=("$word") opentext+=("${line/$'\t'/  -- }")
        else
            closed+=("$word") closedtext+=("${line/$'\t'/  -- }")
        fi
    done
    (( $#open )) && compadd -S '' -d opentext -a open
    (( $#closed )) && compadd -d closedtext -a closed
    return 0
}
if [[ $funcstack[1] == _usher ]]; then
    _usher "$@"
else
    compdef _usher usher
fi
`

const fishCompletion = `# fish completion of usher
function __usher_line
    set -l words (commandline -opc)
    set -e words[1]
    set -l out (usher __line fish (commandline -ct) $words 2>/dev/null)
    switch "$out[1]"
        case files
            __fish_complete_path (commandline -ct)
        case dirs
            __fish_complete_directories (commandline -ct) ''
        case '*'
            test (count $out) -gt 1; and printf '%s\n' $out[2..-1]
    end
end
complete -c usher -e
complete -c usher -f -a '(__usher_line)'
`

// lineCommand answers the scripts: first the mode (words, open, files or dirs), then
// the completions, each in a line. It never fails: a shell prints nothing.
func (a *app) lineCommand() *cobra.Command {
	return &cobra.Command{
		Use: "__line SHELL", Hidden: true, DisableFlagParsing: true,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || args[0] != "fish" && len(args) < 3 {
				return nil
			}
			insert := func(s string) (string, bool) { return s, !strings.Contains(s, "\n") }
			var line shellline.Line
			switch args[0] {
			case "bash":
				line = shellline.Bash(args[1], args[2])
				line.Words = line.Words[min(1, len(line.Words)):]
				insert = line.Current.Insert
			case "zsh":
				line = shellline.Line{Words: args[3:], Current: shellline.Zsh(args[2], args[1])}
			case "fish":
				line = shellline.Line{Words: args[2:], Current: shellline.Fish(args[1])}
			}
			mode, found := a.completions(cmd.Context(), line)
			lines := []string{mode}
			for _, c := range found {
				text, ok := insert(c.word)
				switch {
				case !ok:
				case args[0] == "bash" || c.about == "":
					lines = append(lines, text)
				default:
					lines = append(lines, text+"\t"+c.about)
				}
			}
			if len(lines) == 2 && mode == "words" && strings.HasSuffix(lines[1], "/") || len(lines) == 2 && strings.HasSuffix(lines[1], ":") {
				lines[0] = "open"
			}
			_, err := fmt.Fprintln(a.Out, strings.Join(lines, "\n"))
			return err
		}),
	}
}

// completion is a completed word.
type completion struct{ word, about string }

// completions returns the completions of the word at the cursor.
func (a *app) completions(ctx context.Context, line shellline.Line) (mode string, all []completion) {
	if line.Redirects {
		return "files", nil
	}
	word := line.Current.Value
	quiet := &app{Program: a.Program}
	quiet.Err = io.Discard
	root := quiet.root()
	lead := ""
	if flag, _, ok := strings.Cut(word, "="); ok && strings.HasPrefix(flag, "--") {
		lead = flag + "=" // cobra completes the value alone
	}
	if c, _, err := root.Find(guardTerms(line.Words)); err == nil && strings.Contains(c.Use, "QUERY") && strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") {
		for _, term := range quiet.terms(ctx, word) {
			all = append(all, completion{word: term})
		}
		return "words", all
	}
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(append(append([]string{cobra.ShellCompRequestCmd}, guardTerms(line.Words)...), word))
	if root.ExecuteContext(ctx) != nil {
		return "words", nil
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	last, _ := strings.CutPrefix(lines[len(lines)-1], ":")
	directive, err := strconv.Atoi(last)
	if err != nil || cobra.ShellCompDirective(directive)&cobra.ShellCompDirectiveError != 0 {
		return "words", nil
	}
	for _, l := range lines[:len(lines)-1] {
		name, about, _ := strings.Cut(l, "\t")
		if !slices.Contains(quiet.trimmed(), name) {
			all = append(all, completion{lead + name, about})
		}
	}
	for _, exact := range quiet.answers {
		all = append(all, completion{word: lead + exact})
	}
	slices.SortStableFunc(all, func(a, b completion) int { return cmp.Compare(a.word, b.word) })
	switch {
	case len(all) > 0:
	case cobra.ShellCompDirective(directive)&cobra.ShellCompDirectiveFilterDirs != 0:
		return "dirs", nil
	case cobra.ShellCompDirective(directive)&cobra.ShellCompDirectiveNoFileComp == 0:
		return "files", nil
	}
	return "words", all
}

// trimmed returns the exact completions in the form in which cobra prints them.
func (a *app) trimmed() []string {
	out := make([]string, len(a.answers))
	for i, s := range a.answers {
		s, _, _ = strings.Cut(s, "\t")
		out[i] = strings.TrimSpace(s)
	}
	return out
}
