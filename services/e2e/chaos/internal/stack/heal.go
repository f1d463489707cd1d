package stack

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Undo notes what ends a fault that lasts, and returns how it is ended: once, by whoever is first, the fault itself or Heal.
func (s *Stack) Undo(undo func(ctx context.Context) error) (end func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.next
	s.next++
	s.undone[id] = undo
	return func(ctx context.Context) error {
		s.mu.Lock()
		undo, still := s.undone[id]
		delete(s.undone, id)
		s.mu.Unlock()
		if !still {
			return nil
		}
		return undo(ctx)
	}
}

// Heal ends every fault that still lasts, takes every rule away, starts everything that is down, and waits until all is ready. Faults that
// are injected after it are not seen to: the injection ends first.
func (s *Stack) Heal(ctx context.Context) error {
	s.mu.Lock()
	left := slices.Collect(maps.Values(s.undone))
	clear(s.undone)
	s.mu.Unlock()
	var errs []error
	for _, undo := range left {
		errs = append(errs, undo(ctx))
	}
	for _, edge := range s.edges {
		errs = append(errs, edge.Clear(ctx))
	}
	errs = append(errs, s.o.Cluster.Ensure(ctx), s.Unscript(ctx))
	var armed []func() error
	for _, name := range Instances() {
		if p := s.parts[name]; p.disarm() {
			armed = append(armed, func() error { p.Terminate(ctx); return nil })
		}
	}
	return errors.Join(append(errs, together(armed...), s.WaitReady(ctx))...)
}

// Stop is Kill and Drop. Files stay. It may be called twice.
func (s *Stack) Stop(ctx context.Context) error {
	s.Kill()
	return s.Drop(ctx)
}

// Kill ends every process, by SIGKILL, and closes the links. The cluster goes on, and another stack may be started on it. It may be called
// twice.
func (s *Stack) Kill() {
	s.end()
	s.kept.Wait()
	for _, edge := range s.edges {
		edge.close()
	}
	s.ports.free()
}

// Drop removes the run's database, and what the broker stored on a disk. It may be called twice.
func (s *Stack) Drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	return errors.Join(s.o.Cluster.Ensure(ctx), s.o.Cluster.drop(ctx, s.database), s.o.Cluster.disks.clear(s.o.Dir))
}
