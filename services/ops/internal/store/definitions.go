package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/ops/internal/store/db"
)

// Definition is one stored revision.
type Definition struct {
	Name      string
	Revision  int
	YAML      string
	AppliedBy string
	AppliedAt time.Time
}

// Current is the newest revision of every pipeline, by name.
func (s *Store) Current(ctx context.Context) ([]Definition, error) { return current(ctx, s.Read()) }

func current(ctx context.Context, q *db.Queries) ([]Definition, error) {
	rows, err := q.CurrentDefinitions(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Definition, len(rows))
	for i, r := range rows {
		out[i] = Definition{Name: r.Name, Revision: int(r.Revision), YAML: r.Yaml, AppliedBy: r.AppliedBy, AppliedAt: r.AppliedAt}
	}
	return out, nil
}

// Definition is the newest revision of one pipeline; false when there is none.
func (s *Store) Definition(ctx context.Context, name string) (Definition, bool, error) {
	r, err := s.Read().CurrentDefinition(ctx, name)
	if noRows(err) {
		return Definition{}, false, nil
	}
	if err != nil {
		return Definition{}, false, err
	}
	return Definition{Name: r.Name, Revision: int(r.Revision), YAML: r.Yaml, AppliedBy: r.AppliedBy, AppliedAt: r.AppliedAt}, true, nil
}

// Busy is what is on its way in an entity space.
type Busy struct {
	// Chunks have no outcome yet; Waiting records will be sent again.
	Chunks, Waiting int64
}

// Applying is what an apply can look at while no other one runs.
type Applying struct {
	q *db.Queries
	// Current is the newest revision of every pipeline.
	Current []Definition
	// Orgs are the names of the orgs that exist.
	Orgs map[string]bool
}

// SpaceBusy says what of a space is on its way; pipelines are those that write it.
func (a *Applying) SpaceBusy(ctx context.Context, space string, pipelines []string) (Busy, error) {
	r, err := a.q.SpaceBusy(ctx, db.SpaceBusyParams{Space: space, Pipelines: pipelines})
	return Busy{Chunks: r.Chunks, Waiting: r.Waiting}, err
}

// Apply stores a definition's text as the next revision of its pipeline, unless it is the text of the current one. check sees the
// other definitions while no other apply runs; its error is returned and nothing is stored. changed makes the message that tells of a
// new revision. It says the current revision and whether it is new.
func (s *Store) Apply(ctx context.Context, name, yaml, by string, at time.Time,
	check func(context.Context, *Applying) error, changed func(revision int) record.Message,
) (Definition, bool, error) {
	var (
		out Definition
		new bool
	)
	sum := sha256.Sum256([]byte(yaml))
	err := s.move(ctx, PointApply, func(ctx context.Context, tx pgx.Tx, q *db.Queries) error {
		if err := q.LockDefinitions(ctx); err != nil {
			return err
		}
		rows, err := q.CurrentDefinitions(ctx)
		if err != nil {
			return err
		}
		a := &Applying{q: q, Orgs: map[string]bool{}}
		next := 1
		for _, r := range rows {
			d := Definition{Name: r.Name, Revision: int(r.Revision), YAML: r.Yaml, AppliedBy: r.AppliedBy, AppliedAt: r.AppliedAt}
			a.Current = append(a.Current, d)
			if r.Name != name {
				continue
			}
			if bytes.Equal(r.Sha256, sum[:]) {
				out, new = d, false
				return nil
			}
			next = d.Revision + 1
		}
		orgs, err := q.Orgs(ctx)
		if err != nil {
			return err
		}
		for _, o := range orgs {
			a.Orgs[o.Name] = true
		}
		if err := check(ctx, a); err != nil {
			return err
		}
		out, new = Definition{Name: name, Revision: next, YAML: yaml, AppliedBy: by, AppliedAt: at}, true
		if err := q.InsertDefinition(ctx, db.InsertDefinitionParams{
			Name: name, Revision: int32(next), Yaml: yaml, Sha256: sum[:], AppliedBy: by, AppliedAt: at,
		}); err != nil {
			return err
		}
		if err := audit(ctx, q, by, "apply", name, "", fmt.Sprintf(`{"revision":%d}`, next)); err != nil {
			return err
		}
		return pg.Enqueue(ctx, tx, Schema, changed(next))
	})
	return out, new, err
}

// PutOrg stores an org's document and tells the given messages of it. It says whether it changed.
func (s *Store) PutOrg(ctx context.Context, name, yaml, by string, changed []record.Message) (bool, error) {
	is := false
	err := s.move(ctx, PointApply, func(ctx context.Context, tx pgx.Tx, q *db.Queries) error {
		n, err := q.PutOrg(ctx, db.PutOrgParams{Name: name, Yaml: yaml, AppliedBy: by})
		if is = n > 0; err != nil || !is {
			return err
		}
		if err := audit(ctx, q, by, "apply_org", name, "", ""); err != nil {
			return err
		}
		return pg.Enqueue(ctx, tx, Schema, changed...)
	})
	return is, err
}

// Orgs are the documents of all orgs, by name.
func (s *Store) Orgs(ctx context.Context) (map[string]string, error) {
	rows, err := s.Read().Orgs(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		out[r.Name] = r.Yaml
	}
	return out, nil
}

// Pause is a pause that holds.
type Pause struct {
	ID                                      uuid.UUID
	Service, Pipeline, Class, Code, Message string
	Since                                   time.Time
}

// Pauses are the pauses that hold, the oldest first.
func (s *Store) Pauses(ctx context.Context) ([]Pause, error) { return pauses(ctx, s.Read()) }

func pauses(ctx context.Context, q *db.Queries) ([]Pause, error) {
	rows, err := q.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Pause, len(rows))
	for i, r := range rows {
		out[i] = Pause{ID: r.ID, Service: r.Service, Pipeline: r.Pipeline, Class: r.Class, Code: r.Code, Message: r.Message, Since: r.Since}
	}
	return out, nil
}

// Resume lifts every pause that holds on the pipeline now and says how many. Nothing to lift is no error and tells nobody.
func (s *Store) Resume(ctx context.Context, pipeline, by, reason string, changed record.Message) (int, error) {
	lifted := 0
	err := s.move(ctx, PointResume, func(ctx context.Context, tx pgx.Tx, q *db.Queries) error {
		holding, err := pauses(ctx, q)
		if err != nil {
			return err
		}
		var ids []uuid.UUID
		for _, p := range holding {
			if p.Pipeline == pipeline {
				ids = append(ids, p.ID)
			}
		}
		n, err := q.Lift(ctx, db.LiftParams{PauseIds: ids, By: by, Reason: reason})
		if lifted = int(n); err != nil || n == 0 {
			return err
		}
		if err := audit(ctx, q, by, "resume", pipeline, reason, fmt.Sprintf(`{"lifted":%d}`, n)); err != nil {
			return err
		}
		return pg.Enqueue(ctx, tx, Schema, changed)
	})
	return lifted, err
}
