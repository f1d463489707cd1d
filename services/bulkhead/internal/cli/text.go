package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"
	"google.golang.org/protobuf/types/known/timestamppb"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// printable escapes what could move a cursor, recolour a screen or reorder text: control characters other than line ends
// and tabs, and Unicode's bidirectional overrides. Records are written by strangers.
func printable(s string) string {
	clean := strings.IndexFunc(s, dangerous) < 0
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if dangerous(r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func dangerous(r rune) bool {
	if r == '\n' || r == '\t' {
		return false
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar
}

// exact is stdout for text that others wrote: a file or a pipe gets it byte for byte, a terminal escaped. flush comes after the last write.
func (g *globals) exact() (w io.Writer, flush func() error) {
	if f, ok := g.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		w := &terminalWriter{to: g.out}
		return w, w.flush
	}
	return g.out, func() error { return nil }
}

// terminalWriter escapes what could take hold of a terminal, line by line, so that no character is cut in two.
type terminalWriter struct {
	to   io.Writer
	rest []byte
}

func (w *terminalWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	end := bytes.LastIndexByte(w.rest, '\n') + 1
	if _, err := io.WriteString(w.to, printable(string(w.rest[:end]))); err != nil {
		return 0, err
	}
	w.rest = append(w.rest[:0], w.rest[end:]...)
	return len(p), nil
}

func (w *terminalWriter) flush() error {
	_, err := io.WriteString(w.to, printable(string(w.rest)))
	return err
}

// oneLine is printable text for a table cell: no line ends, at most n runes.
func oneLine(s string, n int) string {
	s = printable(strings.Join(strings.Fields(s), " "))
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		return "-" + s
	}
	return s
}

func table(w io.Writer, header string, rows [][]string) {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, strings.ReplaceAll(header, "|", "\t"))
	for _, r := range rows {
		fmt.Fprintln(tw, strings.Join(r, "\t"))
	}
	_ = tw.Flush()
}

func stamp(t *timestamppb.Timestamp) string {
	if t == nil || !t.IsValid() || t.AsTime().IsZero() {
		return "-"
	}
	return t.AsTime().UTC().Format(time.DateTime) + "Z"
}

// printBalance writes the line that every screen shows first.
func printBalance(w io.Writer, b *opsv1.Balance, addsUp bool) {
	terms := []string{}
	for _, t := range balanceTerms(b) {
		if t.n != 0 || t.always {
			terms = append(terms, t.name+" "+thousands(t.n))
		}
	}
	fmt.Fprintf(w, "accepted %s = %s\n", thousands(b.GetAccepted()), strings.Join(terms, " + "))
	if !addsUp {
		fmt.Fprintf(w, "THE BALANCE DOES NOT ADD UP: the terms give %s. This is an incident, not a rounding.\n", thousands(sum(b)))
	}
}

type balanceTerm struct {
	name   string
	n      int64
	always bool
}

func balanceTerms(b *opsv1.Balance) []balanceTerm {
	return []balanceTerm{
		{"landed", b.GetLanded(), true},
		{"in flight", b.GetInFlight(), true},
		{"retrying", b.GetRetrying(), true},
		{"waiting for parent", b.GetWaitingForParent(), false},
		{"unresolved", b.GetUnresolved(), false},
		{"dead", b.GetDead(), true},
		{"superseded", b.GetSuperseded(), false},
		{"discarded", b.GetDiscarded(), false},
		{"rolled back", b.GetRolledBack(), false},
	}
}

func sum(b *opsv1.Balance) int64 {
	var n int64
	for _, t := range balanceTerms(b) {
		n += t.n
	}
	return n
}

// open counts the records that a person or time must still move.
func open(b *opsv1.Balance) int64 {
	return b.GetInFlight() + b.GetRetrying() + b.GetWaitingForParent() + b.GetUnresolved() + b.GetDead()
}
