package stack

import (
	"context"
	"errors"
	"strings"

	"bulkhead/services/e2e/chaos/internal/stack/link"
)

// Edge is a way from one part to another on which something can be made wrong: a link, or to a cluster of brokers one to each of its nodes, in their
// order. What is wrong with an edge is wrong with all of its links.
type Edge []*link.Link

// Apply lays a condition upon the edge; the id lifts it again.
func (e Edge) Apply(id string, c link.Condition) {
	for _, l := range e {
		l.Apply(id, c)
	}
}

// Lift takes one condition away; an id that is not there changes nothing.
func (e Edge) Lift(ctx context.Context, id string) error {
	var errs []error
	for _, l := range e {
		errs = append(errs, l.Lift(ctx, id))
	}
	return errors.Join(errs...)
}

// Clear takes every condition away.
func (e Edge) Clear(ctx context.Context) error {
	var errs []error
	for _, l := range e {
		errs = append(errs, l.Clear(ctx))
	}
	return errors.Join(errs...)
}

// Address is where clients connect: host:port, of the first link.
func (e Edge) Address() string { return e[0].Address() }

// natsURL is how clients of the broker are told of the edge: an address for each node.
func (e Edge) natsURL() string {
	var all []string
	for _, l := range e {
		all = append(all, "nats://"+l.Address())
	}
	return strings.Join(all, ",")
}

func (e Edge) close() {
	for _, l := range e {
		l.Close()
	}
}
