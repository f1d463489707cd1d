package stack

import "time"

// Running is a part's process as it runs at a moment.
type Running struct {
	Part  string // as plans name it
	PID   int    // of the first one, where it starts others
	Start int    // which start of the part it is, from 1
	Since time.Time
	// Page is the root of its pages, such as /metrics; "" = it has none.
	Page string
}

// Running are the processes of the parts that run: instances, servers of the broker, the org, PostgreSQL.
func (s *Stack) Running() []Running {
	var out []Running
	add := func(p *Part) {
		if r, yes := p.running(); yes {
			out = append(out, r)
		}
	}
	for _, name := range Instances() {
		add(s.parts[name])
	}
	for _, n := range s.broker.Nodes() {
		add(n)
	}
	add(s.parts[Org])
	if r, yes := s.o.Cluster.running(); yes {
		out = append(out, r)
	}
	return out
}

func (p *Part) running() (Running, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil {
		return Running{}, false
	}
	select {
	case <-p.now.done: // who keeps it has not seen it yet
		return Running{}, false
	default:
		return Running{Part: p.name, PID: p.now.handle.Pid, Start: p.starts, Since: p.now.began, Page: p.page}, true
	}
}

func (c *Cluster) running() (Running, bool) {
	c.place.RLock()
	defer c.place.RUnlock()
	select {
	case <-c.server.Done():
		return Running{}, false
	default:
		return c.now, true
	}
}
