package layout

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNoRealData: every record in this tree is made up. Mail addresses are of domains that nobody can own, telephone numbers of ranges that are kept for
// stories, and nothing looks like somebody's data file.
func TestNoRealData(t *testing.T) {
	out, err := exec.Command("git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(out) {
		name := strings.TrimSpace(string(line))
		path := filepath.Join(root, name)
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue // removed and not committed yet
		}
		if slices.Contains(dataFiles, strings.ToLower(filepath.Ext(name))) && info.Size() > smallData {
			t.Errorf("%s has %d bytes: data is generated, or read from where it lies", name, info.Size())
		}
		if base := filepath.Base(name); info.Size() > largeFile || strings.HasSuffix(base, ".sum") || strings.HasPrefix(name, "proto/gen/") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(text, 0) >= 0 {
			continue
		}
		for _, found := range realPeople(string(text)) {
			t.Errorf("%s holds %q, which may be somebody's: use a name under .example, or a number like +1 555 0100", name, found)
		}
	}
}

const (
	// smallData is how long a file of data may be, in bytes: enough for a few made-up records.
	smallData = 8 << 10
	// largeFile is the size above which a file is no source.
	largeFile = 1 << 20
)

// dataFiles are the ends of names of files that hold records.
var dataFiles = []string{".csv", ".tsv", ".ndjson", ".jsonl", ".parquet", ".xlsx", ".gz", ".zst", ".zip", ".dump"}

var (
	address = regexp.MustCompile(`[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})\b`)
	// ours are the domains that RFC 2606 and RFC 6761 keep out of the world; behind an @ a URL's host may stand as well, and Salesforce's are public.
	ours = regexp.MustCompile(`(?i)(^|\.)(example|test|invalid|localhost)(\.(com|org|net))?$|(^|\.)salesforce\.com$`)
	// telephone is an international number with spaces or dashes between its parts.
	telephone = regexp.MustCompile(`\+[1-9][0-9]{0,2}(?:[ -][0-9]{2,}){2,}`)
	made      = regexp.MustCompile(`\b555\b|\b5555?\b`)
)

// realPeople are the mail addresses and telephone numbers of a text that could be somebody's.
func realPeople(text string) (found []string) {
	for _, m := range address.FindAllStringSubmatch(text, -1) {
		if !ours.MatchString(m[1]) {
			found = append(found, m[0])
		}
	}
	for _, m := range telephone.FindAllString(text, -1) {
		if !made.MatchString(m) {
			found = append(found, m)
		}
	}
	return found
}

func TestRealPeopleAreFound(t *testing.T) {
	for text, want := range map[string]int{
		"ask someone" + "@" + "mail.de or someone@people.example": 1,
		"call +49 30" + " 901820 or +1 555 0100":                  1,
		"tool@v1.2.3, secret@127.0.0.1, a@b.example.com":          0,
	} {
		if got := realPeople(text); len(got) != want {
			t.Errorf("%q in %q, want %d", got, text, want)
		}
	}
}
