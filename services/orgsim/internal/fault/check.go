package fault

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// sort of a rule.
type sort uint8

const (
	onRequests sort = iota
	onRows
	onJobs
	onResults
)

var sorts = map[Kind]sort{
	Status: onRequests, Latency: onRequests, DropBefore: onRequests, DropMid: onRequests, DropAfter: onRequests,
	HalfReply: onRequests, Truncate: onRequests, Slow: onRequests, ExpireToken: onRequests, OrgDown: onRequests,
	Quota: onRequests, WrongType: onRequests, GzipGarbage: onRequests, GzipBomb: onRequests,
	RowError: onRows, LockStorm: onRows,
	JobStall: onJobs, JobAbort: onJobs, JobFail: onJobs, JobVanish: onJobs, JobBackwards: onJobs, BatchTimeout: onJobs,
	LoseRows: onResults, DoubleRows: onResults, RewriteRows: onResults, ForeignRows: onResults,
}

// Kinds are all kinds of effect, by name.
func Kinds() []Kind {
	out := make([]Kind, 0, len(sorts))
	for k := range sorts {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// The limits that a quota fault can use up.
const (
	QuotaDaily   = "daily"    // API calls of 24 hours
	QuotaLongTxn = "long_txn" // concurrent long-running calls
	QuotaJobs    = "jobs"     // jobs, as a create is told
)

const (
	// maxText bounds what a rule may carry for answers and files, in bytes.
	maxText = 1 << 20
	// maxForeign bounds the rows that one rule adds to a file.
	maxForeign = 100_000
)

var (
	errorForm  = regexp.MustCompile(`^[A-Z][A-Z0-9_]+:`)
	methodForm = regexp.MustCompile(`^[A-Z]{3,10}$`)
)

// check says what is wrong with a rule, and how to put it right.
func (r *Rule) check() error {
	s, ok := sorts[r.Effect.Kind]
	if !ok {
		return fmt.Errorf("effect.kind %q is not known: use one of %v", r.Effect.Kind, Kinds())
	}
	if err := r.Match.check(s, r.Effect.Kind); err != nil {
		return err
	}
	e := &r.Effect
	switch {
	case r.TimesPerKey < 0 || (r.Times != nil && *r.Times < 0):
		return errors.New("times and times_per_key cannot be negative")
	case (r.Where != nil || r.TimesPerKey > 0) && (s == onRequests || s == onJobs || e.Kind == ForeignRows):
		return fmt.Errorf("where and times_per_key are for faults of rows, not for %s", e.Kind)
	case r.Where != nil && (r.Where.Field == "") != (len(r.Where.In) == 0):
		return errors.New("where.field and where.in belong together")
	case r.Where != nil && r.Where.Field == "" && len(r.Where.Keys) == 0:
		return errors.New("where needs field and in, or keys")
	case e.Kind == LockStorm && r.Match.For == 0 && r.Times == nil && r.TimesPerKey == 0:
		return errors.New("a lock storm needs an end: give match.for, times (0 = for ever) or times_per_key")
	}
	return e.check()
}

func (m *Match) check(s sort, kind Kind) error {
	switch {
	case m.Endpoint != "" && !slices.Contains(Endpoints, m.Endpoint):
		return fmt.Errorf("match.endpoint %q is not one of %v", m.Endpoint, Endpoints)
	case (m.Endpoint != "" || m.Method != "") && s != onRequests:
		return fmt.Errorf("match.endpoint and match.method are for faults of requests, not for %s", kind)
	case m.Method != "" && !methodForm.MatchString(m.Method):
		return fmt.Errorf("match.method %q must be a method of HTTP in capitals, such as PATCH", m.Method)
	case kind == OrgDown && (m.Endpoint != "" || m.Method != "" || m.Object != "" || m.Operation != "" || m.Job != ""):
		return errors.New("org_down strikes every call: leave out endpoint, method, object, operation and job, or use kind status")
	case m.Nth < 0 || m.After < 0:
		return errors.New("match.nth and match.after cannot be negative")
	case m.Nth > 0 && m.After > 0:
		return errors.New("give match.nth or match.after, not both")
	case m.Fraction < 0 || m.Fraction > 1 || math.IsNaN(m.Fraction):
		return errors.New("match.fraction must be between 0 and 1")
	case m.From < 0 || m.For < 0:
		return errors.New("match.from and match.for cannot be negative")
	}
	return nil
}

func (e *Effect) check() error {
	switch {
	case e.When == "late" && e.Kind != Latency:
		return fmt.Errorf("effect.when late is for latency, not for %s", e.Kind)
	case e.When != "" && e.When != "before" && e.When != "after" && e.When != "late":
		return fmt.Errorf("effect.when %q must be before or after, or late for latency", e.When)
	case e.Rows != nil && *e.Rows < 0:
		return errors.New("effect.rows cannot be negative")
	case e.Bytes < 0 || e.BytesPerSecond < 0 || e.Duration < 0 || e.Count < 0:
		return errors.New("effect.bytes, bytes_per_second, duration and count cannot be negative")
	case e.Format != "" && e.Format != "json" && e.Format != "html":
		return fmt.Errorf("effect.format %q must be json or html", e.Format)
	case e.Quota != "" && e.Kind != Quota:
		return fmt.Errorf("effect.quota is for kind quota, not for %s", e.Kind)
	case e.Reset && !slices.Contains([]Kind{DropBefore, DropMid, DropAfter}, e.Kind):
		return fmt.Errorf("effect.reset is for drop_before, drop_mid and drop_after, not for %s", e.Kind)
	case len(e.Columns) > 0 && e.Kind != RewriteRows && e.Kind != ForeignRows:
		return fmt.Errorf("effect.columns is for rewrite_rows and foreign_rows, not for %s", e.Kind)
	case e.Kind == ForeignRows && e.Rows != nil && *e.Rows > maxForeign:
		return fmt.Errorf("effect.rows cannot be above %d", maxForeign)
	case e.size() > maxText:
		return fmt.Errorf("the texts of the effect are longer than %d bytes in all", maxText)
	case strings.ContainsAny(e.ContentType, "\r\n"):
		return errors.New("effect.content_type must be one line")
	}
	return e.checkKind()
}

func (e *Effect) size() int {
	n := len(e.Body) + len(e.Message) + len(e.Error) + len(e.ContentType)
	for name, text := range e.Columns {
		n += len(name) + len(text)
	}
	return n
}

// checkKind asks for the members that a kind cannot do without.
func (e *Effect) checkKind() error {
	switch e.Kind {
	case Status:
		if e.Status < 200 || e.Status > 599 {
			return fmt.Errorf("effect.status %d must be between 200 and 599", e.Status)
		}
	case Latency:
		if e.Duration == 0 {
			return errors.New("latency needs effect.duration, such as \"2s\"")
		}
	case Slow:
		if e.BytesPerSecond == 0 {
			return errors.New("slow needs effect.bytes_per_second")
		}
	case Quota:
		if !slices.Contains([]string{"", QuotaDaily, QuotaLongTxn, QuotaJobs}, e.Quota) {
			return fmt.Errorf("effect.quota %q must be %s, %s or %s", e.Quota, QuotaDaily, QuotaLongTxn, QuotaJobs)
		}
	case RowError:
		if !errorForm.MatchString(e.Error) {
			return fmt.Errorf("effect.error %q must begin with a code and a colon, such as UNABLE_TO_LOCK_ROW:…", e.Error)
		}
	case RewriteRows:
		if len(e.Columns) == 0 {
			return errors.New("rewrite_rows needs effect.columns, such as {\"sf__Id\":\"\"}")
		}
	}
	return nil
}

// normal fills in the defaults of a rule that has passed check.
func (r *Rule) normal() {
	e := &r.Effect
	switch e.Kind {
	case JobFail:
		if e.Message == "" {
			e.Message = "InternalServerError : An unexpected error occurred"
		}
	case Quota:
		if e.Quota == "" {
			e.Quota = QuotaDaily
		}
	case JobBackwards, BatchTimeout:
		e.Count = max(e.Count, 1)
	}
	if r.Times == nil {
		times := 1
		s := sorts[e.Kind]
		if r.Match.For > 0 || ((s == onRows || s == onResults) && (r.Where != nil || r.Match.Fraction > 0 || r.TimesPerKey > 0)) {
			times = 0
		}
		r.Times = &times
	}
	if r.Where != nil {
		for i, k := range r.Where.Keys {
			r.Where.Keys[i] = strings.ToLower(k)
		}
	}
}
