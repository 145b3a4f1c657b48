#pragma once

#include <string>

#include "operator/plan/decision.h"
#include "operator/plan/observed.h"

// What to do about one ModelDeployment, given all that is known of it. docs/status.md has the states.
//
// Pure: the same `seen` gives the same decision; no I/O, no clock, no state. What must be remembered is in
// the status, and is written before it is acted on: so the operator may die between any two actions, and
// whoever asks next goes on from what is there.
//
// Promises, whatever the sequence of calls:
// * no pod is let into the Service that has not proven itself, or is not bound to the bytes of one that has;
// * what serves is not shrunk before what replaces it is ready, in full, in the Service;
// * at most two revisions are in the Service;
// * a revision that failed its proof gets no pod until spec.rollout.retry changes;
// * when all is as it should be, the decision is empty.
namespace pilotlight::plan {

Decision Plan(const Observed& seen);

// The stable revision that status names, if its ReplicaSet was not seen; else empty. It must be asked for
// before Plan() is: whoever has just been started may have been given an old list, and would go back to the
// revision before.
std::string UnseenStable(const Observed& seen);

}  // namespace pilotlight::plan
