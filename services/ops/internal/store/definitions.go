package store

import (
	"bytes"
	"cmp"
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
	// CaseSensitive says that the org compared the key field exactly when the revision was applied.
	CaseSensitive bool
}

func definitionOf(r db.OpsDefinition) Definition {
	return Definition{
		Name: r.Name, Revision: int(r.Revision), YAML: r.Yaml, AppliedBy: r.AppliedBy, AppliedAt: r.AppliedAt, CaseSensitive: r.CaseSensitive,
	}
}

// Current is the newest revision of every pipeline, by name.
func (s *Store) Current(ctx context.Context) ([]Definition, error) {
	rows, err := s.Read().CurrentDefinitions(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Definition, len(rows))
	for i, r := range rows {
		out[i] = definitionOf(r)
	}
	return out, nil
}

// Definition is the newest revision of one pipeline; false when there is none.
func (s *Store) Definition(ctx context.Context, name string) (Definition, bool, error) {
	r, err := s.Read().CurrentDefinition(ctx, name)
	return found(r, err)
}

// DefinitionAt is one revision of a pipeline; false when there is none of that number.
func (s *Store) DefinitionAt(ctx context.Context, name string, revision int) (Definition, bool, error) {
	r, err := s.Read().DefinitionRevision(ctx, db.DefinitionRevisionParams{Name: name, Revision: int32(revision)})
	return found(r, err)
}

func found(r db.OpsDefinition, err error) (Definition, bool, error) {
	if noRows(err) {
		return Definition{}, false, nil
	}
	if err != nil {
		return Definition{}, false, err
	}
	return definitionOf(r), true, nil
}

// Bounds of a list of revisions: how many, and how many bytes of their texts. What is older is read one by one.
const (
	MaxRevisions     = 1000
	maxRevisionsText = 4 << 20
)

// Revision is an entry of a list of revisions.
type Revision struct {
	// Definition may be without its text, where the texts of newer revisions fill the list.
	Definition

	Digest []byte
}

// Revisions are the newest revisions of a pipeline, at most [MaxRevisions], the newest first.
func (s *Store) Revisions(ctx context.Context, name string) ([]Revision, error) {
	rows, err := s.Read().Revisions(ctx, db.RevisionsParams{Name: name, Most: MaxRevisions, MostBytes: maxRevisionsText})
	if err != nil {
		return nil, err
	}
	out := make([]Revision, len(rows))
	for i, r := range rows {
		out[i] = Revision{Digest: r.Sha256, Definition: Definition{
			Name: r.Name, Revision: int(r.Revision), YAML: r.Yaml, AppliedBy: r.AppliedBy, AppliedAt: r.AppliedAt, CaseSensitive: r.CaseSensitive,
		}}
	}
	return out, nil
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

// PipelineBusy says what of one pipeline is on its way, in whatever space.
func (a *Applying) PipelineBusy(ctx context.Context, name string) (Busy, error) {
	r, err := a.q.PipelineBusy(ctx, name)
	return Busy{Chunks: r.Chunks, Waiting: r.Waiting}, err
}

// NewRevision is what an apply wants to store.
type NewRevision struct {
	Name, YAML    string
	CaseSensitive bool
	// By is who is written down for the revision.
	By string
	At time.Time
	// Action, AuditBy ("" = By) and Reason stand in the audit trail; Restores is the revision that a rollback brings back, else 0.
	Action, AuditBy, Reason string
	Restores                int
}

// Apply stores a definition as the next revision of its pipeline, unless it is what the current one says already. check sees the other definitions
// while no other apply runs; its error is returned and nothing is stored. changed makes the message that tells of a new revision. It says the
// current revision and whether it is new.
func (s *Store) Apply(ctx context.Context, n NewRevision, check func(context.Context, *Applying) error,
	changed func(revision int) record.Message,
) (Definition, bool, error) {
	var (
		out Definition
		new bool
	)
	sum := sha256.Sum256([]byte(n.YAML))
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
			d := definitionOf(r)
			a.Current = append(a.Current, d)
			if r.Name != n.Name {
				continue
			}
			if bytes.Equal(r.Sha256, sum[:]) && r.CaseSensitive == n.CaseSensitive {
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
		out = Definition{Name: n.Name, Revision: next, YAML: n.YAML, AppliedBy: n.By, AppliedAt: n.At, CaseSensitive: n.CaseSensitive}
		new = true
		if err := q.InsertDefinition(ctx, db.InsertDefinitionParams{
			Name: n.Name, Revision: int32(next), Yaml: n.YAML, Sha256: sum[:], AppliedBy: n.By, AppliedAt: n.At, CaseSensitive: n.CaseSensitive,
		}); err != nil {
			return err
		}
		detail := fmt.Sprintf(`{"revision":%d}`, next)
		if n.Restores > 0 {
			detail = fmt.Sprintf(`{"revision":%d,"restores":%d}`, next, n.Restores)
		}
		if err := audit(ctx, q, cmp.Or(n.AuditBy, n.By), n.Action, n.Name, n.Reason, detail); err != nil {
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
