package acceptance

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"

	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// columnsOf writes the part of a definition that maps members to columns.
func columnsOf(lines ...string) string {
	var b strings.Builder
	b.WriteString("map:\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "  - {%s}\n", l)
	}
	return b.String()
}

// definition is a whole document; rest are its further lines.
func definition(name, object, operation string, rest ...string) []byte {
	return fmt.Appendf(nil, "apiVersion: bulkhead/v1\nkind: Pipeline\nname: %s\norg: main\nobject: %s\noperation: %s\nlanes: 2\nbacklog: 256MiB\n%s",
		name, object, operation, strings.Join(rest, "\n")+"\n")
}

// quick seals chunks soon.
const quick = "chunk: {rows: 50000, bytes: 50MB, age: 300ms}"

// with adds pipelines to the shipped ones.
func with(defs ...[]byte) func(*inprocess.Options) {
	return func(o *inprocess.Options) { o.Definitions = append(o.Definitions, defs...) }
}

// upload is one file as Salesforce was sent it.
type upload struct {
	job    simtest.Job
	header []string
	rows   [][]string
}

// column is what the rows of an upload say in one column.
func (u upload) column(name string) []string {
	for i, h := range u.header {
		if h == name {
			out := make([]string, len(u.rows))
			for n, r := range u.rows {
				out[n] = r[i]
			}
			return out
		}
	}
	return nil
}

// uploads are the files of the jobs of an operation on an object that were closed, oldest first.
func (s *stack) uploads(object, operation string) []upload {
	s.T.Helper()
	var out []upload
	for _, j := range s.closed() {
		if j.Object != object || string(j.Operation) != operation {
			continue
		}
		table, err := csv.NewReader(bytes.NewReader(s.Sim.UploadOf(j.ID))).ReadAll()
		s.Must(err)
		out = append(out, upload{job: j, header: table[0], rows: table[1:]})
	}
	return out
}

// awaitLetters waits until ops has read this many letters: a record is dead before its letter is known.
func (s *stack) awaitLetters(pipeline string, n int) (letters []letter) {
	s.T.Helper()
	s.Eventually(fmt.Sprintf("ops knows %d letters of %s", n, pipeline), func() bool {
		letters = s.letters(pipeline)
		return len(letters) == n
	})
	return letters
}
