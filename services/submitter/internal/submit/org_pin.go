package submit

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"bulkhead/libs/salesforce"
)

// codeOrgChanged is the code of the pause that another org behind the same name brings about.
const codeOrgChanged = "ORG_CHANGED"

// OrgChangedError says that the credentials of an org lead to another Salesforce org than the one that the ledger knows by its name.
type OrgChangedError struct {
	// Name is the org's in definitions, Known and Seen are ids of 18 characters.
	Name, Known, Seen string
}

// Error names both and the remedy.
func (e *OrgChangedError) Error() string {
	return fmt.Sprintf("the login of org %s leads to %s, but its jobs are in %s: correct the credentials; or, if the change is meant (a refreshed "+
		"sandbox), name orgId: %s in the org's document and apply it; then resume the pipeline", e.Name, e.Seen, e.Known, e.Seen)
}

// anotherOrg says whether a call was not made because the credentials lead to another org than they should.
func anotherOrg(err error) bool {
	if _, ok := errors.AsType[*salesforce.OrgMismatchError](err); ok {
		return true
	}
	_, ok := errors.AsType[*OrgChangedError](err)
	return ok
}

// provenOrg finds the client of an org and proves that it leads to the Salesforce org which the ledger knows by this name, unless that is proven, an id
// that the caller knows already, or "". In another org none of our jobs is known, and what is sent there lands in the wrong place; after a
// refresh of a sandbox nothing but this id tells. It also says the id.
func (r *Runner) provenOrg(ctx context.Context, name, proven string) (org Org, id string, err error) {
	if org, err = r.c.Orgs.Org(ctx, name); err != nil {
		return nil, "", fmt.Errorf("org %s: %w", name, err)
	}
	seen, err := org.OrgID(ctx)
	if err == nil && seen == proven {
		return org, seen, nil
	}
	pinned, pinErr := r.c.Orgs.PinnedID(ctx, name)
	if mismatch, ok := errors.AsType[*salesforce.OrgMismatchError](err); ok && pinErr == nil && pinned == "" {
		// The client refused the login by the id that the ledger knows, so what to do is the same as if it had let us compare.
		return nil, "", &OrgChangedError{Name: name, Known: mismatch.Want, Seen: mismatch.Got}
	}
	if err = cmp.Or(err, pinErr); err != nil {
		return nil, "", fmt.Errorf("org %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	known, err := r.c.Store.KnowOrg(ctx, name, seen, pinned == seen)
	if err != nil {
		return nil, "", err
	}
	if known != seen {
		return nil, "", &OrgChangedError{Name: name, Known: known, Seen: seen}
	}
	return org, seen, nil
}

// org is [Runner.provenOrg] for the submission's org. Where the credentials lead elsewhere the pipeline pauses; what is bound waits with it until they lead
// back.
func (t *turn) org(ctx context.Context) (Org, error) {
	org, id, err := t.provenOrg(ctx, t.w.Org, t.proven)
	if err != nil {
		return nil, t.pauseIfAnotherOrg(ctx, err)
	}
	t.proven = id
	return org, nil
}

// pauseIfAnotherOrg pauses the pipeline if err says that its org is another one now. It returns err, and with it what went wrong with the pause.
func (t *turn) pauseIfAnotherOrg(ctx context.Context, err error) error {
	if !anotherOrg(err) {
		return err
	}
	return errors.Join(err, t.pause(ctx, "another org", err))
}
