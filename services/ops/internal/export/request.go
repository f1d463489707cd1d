package export

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Kind says which records.
type Kind string

// The kinds.
const (
	// Landed are the records that Salesforce has.
	Landed Kind = "landed"
	// Failed are the records that are dead, retrying, waiting for their parent or unresolved.
	Failed Kind = "failed"
)

// Format says how a record is written.
type Format string

// The formats.
const (
	// CSV is for spreadsheets: see the package comment for what it does to formulas.
	CSV Format = "csv"
	// NDJSON is one JSON object a line.
	NDJSON Format = "ndjson"
)

// Request asks for an export.
type Request struct {
	Kind     Kind
	Pipeline string
	// Run is one run; "" = all.
	Run    string
	Format Format
}

// InvalidError says what is wrong with a request.
type InvalidError struct{ Problems []string }

func (e *InvalidError) Error() string { return strings.Join(e.Problems, "; ") }

var (
	pipelineName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	runName      = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
)

// ParseRequest reads a kind and the parameters pipeline, run and format (default csv). Everything that is wrong is told at once; a parameter that is
// not known is wrong, since it was meant to narrow something down.
func ParseRequest(kind string, q url.Values) (Request, error) {
	var problems []string
	wrong := func(is bool, format string, args ...any) {
		if is {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	for name, values := range q {
		switch name {
		case "pipeline", "run", "format":
			wrong(len(values) != 1, "%s is given %d times", name, len(values))
		default:
			wrong(true, "parameter %.40q is not known: pipeline, run and format are", name)
		}
	}
	r := Request{Kind: Kind(kind), Pipeline: q.Get("pipeline"), Run: q.Get("run"), Format: Format(q.Get("format"))}
	if r.Format == "" {
		r.Format = CSV
	}
	wrong(r.Kind != Landed && r.Kind != Failed, "an export is of %s or %s", Landed, Failed)
	wrong(!pipelineName.MatchString(r.Pipeline), "pipeline must be named: 1 to 40 of a-z, 0-9 and -, beginning with a letter")
	wrong(r.Run != "" && !runName.MatchString(r.Run), "run must be 1 to 64 of letters, digits and . _ -")
	wrong(r.Format != CSV && r.Format != NDJSON, "format must be %s or %s", CSV, NDJSON)
	if len(problems) > 0 {
		return Request{}, &InvalidError{Problems: problems}
	}
	return r, nil
}
