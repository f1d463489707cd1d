package store

import (
	"context"
	"errors"
	"fmt"

	"bulkhead/services/submitter/internal/store/db"

	"github.com/jackc/pgx/v5"
)

// KnowOrg says which Salesforce org stands behind a name, given the one that was just seen there; 18 characters both. The first one seen is kept.
// It is replaced only by one that is stated: that the org's document names.
func (s *Store) KnowOrg(ctx context.Context, name, seen string, stated bool) (known string, err error) {
	known, err = s.q.OrgIDOf(ctx, name)
	switch {
	case err == nil && (known == seen || !stated):
		return known, nil
	case err != nil && !errors.Is(err, pgx.ErrNoRows):
	case stated:
		err = s.q.MoveOrg(ctx, db.MoveOrgParams{Name: name, OrgID: seen})
	default:
		err = s.q.SeeOrg(ctx, db.SeeOrgParams{Name: name, OrgID: seen})
	}
	if err == nil {
		known, err = s.q.OrgIDOf(ctx, name) // somebody else may have been first
	}
	if err != nil {
		return "", fmt.Errorf("id of org %s: %w", name, err)
	}
	return known, nil
}
