/* Learning, as kernel.c sees it. */

#ifndef SPIKELOOM_LEARN_H
#define SPIKELOOM_LEARN_H

#include "kernel.h"

/* A lane's places in the lists of teacher events, third factors and modulators. */
typedef struct {
    int64_t teacher, factor, modulator;
} LearningCursor;

/* Where the events of the machine's next step begin. */
LearningCursor learning_cursor(const Machine *m);

/* The third part of a step of one lane: plastic synapses onto its targets and traces change.
 *
 * hosts: channels that the host lets fire in this step; `now`: the half of the lists of spikes that
 * holds what was delivered. */
void learn(const Machine *m, int64_t id, LearningCursor *at, const int32_t *hosts,
           int64_t host_count, int now);

#endif
