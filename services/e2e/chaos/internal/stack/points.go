package stack

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// The subdirectories of a run's directory in which every process has files of its own.
const (
	logsDir   = "logs"
	pointsDir = "points"
)

// tailEvery is how often a file or a state is looked at while something is waited for.
const tailEvery = 10 * time.Millisecond

// Points are the crash points that processes of the run told of so far. What a process is about to tell is not waited for.
func (s *Stack) Points() history.Points {
	out := history.Points{Reached: map[string]int{}, Killed: map[string]int{}, Held: map[string]int{}}
	files, err := filepath.Glob(filepath.Join(s.o.Dir, pointsDir, "*.log"))
	if err != nil {
		return out // the pattern is ours and is good
	}
	for _, name := range files {
		for _, line := range told(name) {
			what, point, _ := strings.Cut(line, " ")
			switch what {
			case "reached":
				out.Reached[point]++
			case "killed":
				out.Killed[point]++
			case "held":
				out.Held[point]++
			}
		}
	}
	return out
}

// told are the whole lines that a process wrote so far. A process that reached no point has no file.
func told(name string) []string {
	f, err := os.Open(name) //nolint:gosec // the run's own directory
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}

// rule is an order for one crash point.
type rule struct {
	text  string // as the process takes it
	point string
	times int // how many processes may still die of it; 0 = it stays until it is taken away
}

// Rule gives the part a rule for a crash point from its next start on: text is "<point>=crash@1", say. When times processes have killed
// themselves at the point it is over by itself; 0 = it stays until Unrule. The id names it.
func (p *Part) Rule(id, point, text string, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules[id] = &rule{text: text, point: point, times: times}
}

// Ruled says whether the part has a rule of its own.
func (p *Part) Ruled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.rules) > 0
}

// Obeys says whether the part is under a rule already: the process that runs has it, or it is down and the next one will have it.
func (p *Part) Obeys(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil {
		return true
	}
	select {
	case <-p.now.done: // who keeps it has not seen it yet
		return true
	default:
	}
	r := p.rules[id]
	return r != nil && slices.Contains(strings.Split(p.now.rules, ";"), r.text)
}

// Unrule takes a rule away, from the next start on.
func (p *Part) Unrule(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.rules, id)
}

// rulesLocked are the rules of all faults, as the process takes them.
func (p *Part) rulesLocked() string {
	var all []string
	for _, id := range slices.Sorted(maps.Keys(p.rules)) {
		all = append(all, p.rules[id].text)
	}
	return strings.Join(all, ";")
}

// obeyedLocked counts the death of a process against the rules that it died of.
func (p *Part) obeyedLocked(traced string) {
	for _, line := range told(traced) {
		point, killed := strings.CutPrefix(line, "killed ")
		for id, r := range p.rules {
			if killed && r.point == point && r.times > 0 {
				if r.times--; r.times == 0 {
					delete(p.rules, id)
				}
			}
		}
	}
}

// Killed is how often processes of the part told so far that they kill themselves at a point.
func (p *Part) Killed(point string) int { return p.count("killed " + point) }

// Held is how often processes of the part told so far that they wait at a point.
func (p *Part) Held(point string) int { return p.count("held " + point) }

func (p *Part) count(line string) (n int) {
	p.mu.Lock()
	starts := p.starts
	p.mu.Unlock()
	for i := 1; i <= starts; i++ {
		for _, l := range told(tracedFile(p.dir, p.name, i)) {
			if l == line {
				n++
			}
		}
	}
	return n
}

func tracedFile(dir, part string, start int) string {
	return filepath.Join(dir, pointsDir, fmt.Sprintf("%s-%d.log", part, start))
}

// Await looks until done says yes; the error is that of ctx.
func Await(ctx context.Context, done func() bool) error {
	for !done() {
		if !sleep(ctx, tailEvery) {
			return ctx.Err()
		}
	}
	return nil
}

// disarm takes all rules away, and says whether the process that runs may still obey one.
func (p *Part) disarm() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	armed := len(p.rules) > 0 && p.now != nil && p.now.rules != ""
	clear(p.rules)
	return armed
}
