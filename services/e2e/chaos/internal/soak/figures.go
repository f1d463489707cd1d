package soak

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// Figure is what one number of the samples did while records were published.
type Figure struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit,omitempty"` // "MB"; "" = a count
	Bound Bound   `json:"bound"`
	Flat  Flat    `json:"flat"`
	Most  float64 `json:"most"` // of all samples
}

// judged are the growths that a verdict is made of: a figure of processes is judged in its lives too.
func (f Figure) judged() []Growth {
	if f.ofProcesses() {
		return []Growth{f.Flat.Run, f.Flat.Life}
	}
	return []Growth{f.Flat.Run}
}

func (f Figure) ofProcesses() bool { return strings.Contains(f.Name, ": ") }

// The bounds. A quarter is what samples of one state differ by from one minute to the next: heaps between two collections, pools between two rests. Room is
// what a figure may have more however small it is: a service that stands by begins to work when its twin is killed, and a leak that stays below it for ten
// million records is none that anybody would see.
const (
	quarterMore = 1.25

	mega        = 1e6
	serviceRoom = 48 * mega  // a buffer of rows more or less in each lane, and the garbage of one collection
	brokerRoom  = 96 * mega  // nats-server keeps the blocks that it wrote or read last, of 8 MB each
	ledgerRoom  = 160 * mega // after each start PostgreSQL fills its shared buffers, 128 MB, and its sessions their caches, which takes some minutes
	countRoom   = 24         // goroutines, files: requests in hand
	sessionRoom = 6          // a pool opens a session when all are busy, and keeps it for a while
	workRoom    = 16         // leases, open work: two lanes, each with a chunk in hand and one behind it, and what is sent again
	pieceRoom   = 400        // pieces: a chunk or two more
	rowRoom     = 8_000      // what waits: the refused rows of two chunks
	outboxRoom  = 2_000      // letters of a chunk
	factRoom    = 2
)

// services are the figures of a service, both instances together: which of them works, and which stands by, changes with every kill.
func services() []string { return slices.Clone(pg.Services) }

// serviceOf is the service of an instance.
func serviceOf(instance string) string {
	service, _, _ := strings.Cut(instance, "-")
	return service
}

// source takes one figure out of a sample: its value, the age of the youngest process that it is about, and a name of their lives. ok is false where the
// sample does not tell.
type source func(s Sample) (value float64, age time.Duration, lives string, ok bool)

// processes sums up a member of the processes of some parts, which all must have answered.
func processes(of func(Process) int64, parts ...string) source {
	return func(s Sample) (sum float64, age time.Duration, lives string, ok bool) {
		age = 1 << 62
		for _, name := range parts {
			p, there := s.Processes[name]
			v := of(p)
			if !there || v < 0 {
				return 0, 0, "", false
			}
			sum, age, lives = sum+float64(v), min(age, time.Duration(p.Age*float64(time.Second))), fmt.Sprint(lives, " ", p.Start)
		}
		return sum, age, lives, true
	}
}

// ledger is a number of the ledger's.
func ledger(what string) source {
	return func(s Sample) (float64, time.Duration, string, bool) {
		n, ok := s.Ledger[what]
		return float64(n), seconds(s.At), "", ok
	}
}

// facts are the messages of FLOW for each chunk that there was.
func facts(s Sample) (float64, time.Duration, string, bool) {
	messages, told := s.Messages[bus.StreamFlow]
	chunks := s.Ledger["chunks"]
	if !told || chunks == 0 {
		return 0, 0, "", false
	}
	return float64(messages) / float64(chunks), seconds(s.At), "", true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// named is a figure that is looked at.
type named struct {
	Figure
	of source
}

// looked are all of them.
func looked() []named {
	var out []named
	add := func(name, unit string, room float64, of source) {
		out = append(out, named{Figure: Figure{Name: name, Unit: unit, Bound: Bound{Ratio: quarterMore, Room: room}}, of: of})
	}
	memory := func(p Process) int64 { return p.Memory }
	goroutines := func(p Process) int64 { return p.Goroutines }
	files := func(p Process) int64 { return p.Files }
	for _, service := range services() {
		parts := slices.DeleteFunc(stack.Instances(), func(name string) bool { return serviceOf(name) != service })
		add(service+": memory", "MB", serviceRoom, processes(memory, parts...))
		add(service+": goroutines", "", countRoom, processes(goroutines, parts...))
		add(service+": open files", "", countRoom, processes(files, parts...))
		add("sessions of "+service, "", sessionRoom, ledger("sessions of "+service))
	}
	add(stack.NATS+": memory", "MB", brokerRoom, processes(memory, stack.NATS))
	add(stack.NATS+": open files", "", countRoom, processes(files, stack.NATS))
	add(stack.Postgres+": memory", "MB", ledgerRoom, processes(memory, stack.Postgres))
	add("leases held", "", workRoom, ledger("leases"))
	add("open submissions, lanes, watches and readings", "", workRoom, ledger("open work"))
	add("rows of the outboxes", "", outboxRoom, ledger("outboxes"))
	add("records that wait to be sent again", "", rowRoom, ledger("waiting"))
	add("pieces of chunks", "", pieceRoom, ledger("pieces"))
	add("messages on FLOW for each chunk", "", factRoom, facts)
	return out
}

// Figures says what each figure did between two moments.
func Figures(samples []Sample, from, to time.Duration) []Figure {
	var out []Figure
	for _, n := range looked() {
		points, lives := []Point{}, map[string]int{}
		f := n.Figure
		for _, s := range samples {
			value, age, life, ok := n.of(s)
			if !ok {
				continue
			}
			if _, known := lives[life]; !known {
				lives[life] = len(lives)
			}
			points = append(points, Point{At: seconds(s.At), Age: age, Life: lives[life], Value: value})
			f.Most = max(f.Most, value)
		}
		f.Flat = Compare(points, from, to, f.Bound)
		out = append(out, f)
	}
	return out
}

// Steady is the time in which figures are looked at: from when the first record had landed to when the last one had been published and read.
func Steady(samples []Sample, records int64) (from, to time.Duration) {
	for _, s := range samples {
		if s.Balance == nil {
			continue
		}
		if s.Balance.Landed > 0 && from == 0 {
			from = seconds(s.At)
		}
		if from > 0 && s.Balance.Accepted < records {
			to = seconds(s.At)
		}
	}
	return from, max(from, to)
}
