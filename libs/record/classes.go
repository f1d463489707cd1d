package record

import "slices"

var classes = []Class{
	ClassTransient, ClassContention, ClassQuota, ClassData, ClassDuplicate,
	ClassReference, ClassPermission, ClassCode, ClassAuth, ClassUnclassified,
}

// Classes returns every class of failure. The caller owns the slice.
func Classes() []Class { return slices.Clone(classes) }

// Known says whether c is one of [Classes].
func (c Class) Known() bool { return slices.Contains(classes, c) }

// MayPause says whether failures of this class, when they hit whole chunks alike, may pause a pipeline. Data, duplicate and
// reference never do, however many rows they hit: they are the records' own.
func (c Class) MayPause() bool {
	switch c {
	case ClassPermission, ClassCode, ClassAuth, ClassQuota:
		return true
	default:
		return false
	}
}
