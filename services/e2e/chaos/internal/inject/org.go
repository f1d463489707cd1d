package inject

import (
	"context"
	"errors"
	"time"
)

// spare is how long after the last begin of a fault a script of the org may still hit for the first time.
const spare = 1500 * time.Millisecond

// org gives the org a script, and says that it struck when it first had an effect.
func (f *fault) org(ctx context.Context) error {
	ids, err := f.s.Script(ctx, f.Script)
	if err != nil {
		f.struck(false, err.Error())
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	until := f.load.Add(ms(f.plan.FaultsFor)).Add(spare)
	if f.For > 0 {
		until = time.Now().Add(ms(f.For))
	}
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	hit := false
	for !hit && f.rest(waiting, 4*lookEvery) {
		n, err := f.s.Hits(waiting, ids...)
		hit = err == nil && n > 0
	}
	if hit {
		f.struck(true, f.OrgKind)
	} else {
		f.struck(false, f.OrgKind+" hit nothing")
	}
	if f.For <= 0 {
		return nil // it lasts until it has hit as often as it says, or until Heal
	}
	err = f.last(ctx, time.Until(until), func(ctx context.Context) error { return f.s.Unscript(ctx, ids...) })
	f.over("")
	return err
}

// operators and definition are the load's to do.
func (f *fault) operators(ctx context.Context) error { return f.hook(ctx, f.do.Operators) }

func (f *fault) definition(ctx context.Context) error { return f.hook(ctx, f.do.Definition) }

func (f *fault) hook(ctx context.Context, do func(context.Context) error) error {
	if do == nil {
		f.struck(false, "nobody does it")
		return errors.New("the run has nobody who does it")
	}
	ctx, cancel := context.WithTimeout(ctx, hookWithin)
	defer cancel()
	began := f.s.Since()
	err := do(ctx)
	f.struckAt(began, err == nil, text(err))
	f.over("")
	return nil
}
