/* SPDX-License-Identifier: MIT */
/*
 * locks.c - samples with locks alone, right ones and wrong ones.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "doctor/samples.h"

static pthread_mutex_t apples = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pears = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t ducks, geese;

#define THREAD(name) static void *name(void *unused __attribute__((unused)))

/* Two mutexes in two orders */

THREAD(apples_then_pears)
{
	pthread_mutex_lock(&apples);
	pthread_mutex_lock(&pears);
	pthread_mutex_unlock(&pears);
	pthread_mutex_unlock(&apples);
	return NULL;
}

THREAD(pears_then_apples)
{
	pthread_mutex_lock(&pears);
	pthread_mutex_lock(&apples);
	pthread_mutex_unlock(&apples);
	pthread_mutex_unlock(&pears);
	return NULL;
}

static void two_orders(void)
{
	one_after_the_other(apples_then_pears, pears_then_apples);
}

THREAD(gate_apples_pears)
{
	pthread_mutex_lock(&gate);
	apples_then_pears(NULL);
	pthread_mutex_unlock(&gate);
	return NULL;
}

THREAD(gate_pears_apples)
{
	pthread_mutex_lock(&gate);
	pears_then_apples(NULL);
	pthread_mutex_unlock(&gate);
	return NULL;
}

static void under_a_gate(void)
{
	one_after_the_other(gate_apples_pears, gate_pears_apples);
	both_at_once(gate_apples_pears, gate_pears_apples);
}

THREAD(pears_then_try_apples)
{
	pthread_mutex_lock(&pears);
	if (pthread_mutex_trylock(&apples) == 0)
		pthread_mutex_unlock(&apples);
	pthread_mutex_unlock(&pears);
	return NULL;
}

static void with_a_try(void)
{
	one_after_the_other(apples_then_pears, pears_then_try_apples);
	both_at_once(apples_then_pears, pears_then_try_apples);
}

static void in_order(void)
{
	both_at_once(apples_then_pears, apples_then_pears);
}

/* Those of C11 */

static mtx_t plums, figs;
static cnd_t figs_ripe;

THREAD(plums_then_figs)
{
	mtx_lock(&plums);
	mtx_lock(&figs);
	mtx_unlock(&figs);
	mtx_unlock(&plums);
	return NULL;
}

THREAD(figs_then_plums)
{
	mtx_lock(&figs);
	mtx_lock(&plums);
	mtx_unlock(&plums);
	mtx_unlock(&figs);
	return NULL;
}

THREAD(figs_then_try_plums)
{
	mtx_lock(&figs);
	if (mtx_trylock(&plums) == thrd_success)
		mtx_unlock(&plums);
	mtx_unlock(&figs);
	return NULL;
}

/* After the wait it has plums, and takes figs again. */
THREAD(figs_and_plums_until_ripe)
{
	const struct timespec past = { 1, 0 };

	mtx_lock(&figs);
	mtx_lock(&plums);
	(void)cnd_timedwait(&figs_ripe, &figs, &past);
	mtx_unlock(&plums);
	mtx_unlock(&figs);
	return NULL;
}

static void make_c11(void)
{
	mtx_init(&plums, mtx_plain);
	mtx_init(&figs, mtx_timed);
	cnd_init(&figs_ripe);
}

static void c11_two_orders(void)
{
	make_c11();
	one_after_the_other(plums_then_figs, figs_then_plums);
}

static void c11_in_order(void)
{
	make_c11();
	one_after_the_other(plums_then_figs, figs_then_try_plums);
	mtx_destroy(&plums);
	mtx_init(&plums, mtx_recursive);
	for (int i = 0; i < 3; i++)
		mtx_lock(&plums);
	(void)plums_then_figs(NULL);
	for (int i = 0; i < 3; i++)
		mtx_unlock(&plums);
}

static void c11_woken(void)
{
	make_c11();
	one_after_the_other(figs_and_plums_until_ripe,
			    figs_and_plums_until_ripe);
}

/* The same through a function of the program's own */

__attribute__((noinline)) static void grab(pthread_mutex_t *mutex)
{
	if (pthread_mutex_lock(mutex) != 0)
		abort();
}

__attribute__((noinline)) static void eat_both(pthread_mutex_t *first,
					       pthread_mutex_t *second)
{
	grab(first);
	grab(second);
	pthread_mutex_unlock(second);
	pthread_mutex_unlock(first);
}

THREAD(bake_apple_cake)
{
	eat_both(&apples, &pears);
	return NULL;
}

THREAD(bake_pear_cake)
{
	eat_both(&pears, &apples);
	return NULL;
}

static void wrapped(void)
{
	one_after_the_other(bake_apple_cake, bake_pear_cake);
}

/* Locks that one line makes */

static pthread_mutex_t *fork_of[3];

static void make_forks(void)
{
	for (int i = 0; i < 3; i++) {
		fork_of[i] = malloc(sizeof(*fork_of[i]));
		if (!fork_of[i])
			exit(1);
		pthread_mutex_init(fork_of[i], NULL);
	}
}

static void *eat(void *arg)
{
	int *who = arg;

	pthread_mutex_lock(fork_of[who[0]]);
	pthread_mutex_lock(fork_of[who[1]]);
	pthread_mutex_unlock(fork_of[who[1]]);
	pthread_mutex_unlock(fork_of[who[0]]);
	return NULL;
}

static void dine(int last_first, int last_second)
{
	int seats[3][2] = { { 0, 1 }, { 1, 2 }, { last_first, last_second } };

	make_forks();
	for (int i = 0; i < 3; i++) {
		pthread_t thread;

		must(pthread_create(&thread, NULL, eat, seats[i]), "thread");
		must(pthread_join(thread, NULL), "pthread_join");
	}
}

static void philosophers(void)
{
	dine(2, 0);
}

static void left_handed(void)
{
	dine(0, 2);
}

/* One rwlock, read twice */

THREAD(read_twice)
{
	pthread_rwlock_rdlock(&ducks);
	pthread_rwlock_rdlock(&ducks);
	pthread_rwlock_unlock(&ducks);
	pthread_rwlock_unlock(&ducks);
	return NULL;
}

THREAD(write_once)
{
	pthread_rwlock_wrlock(&ducks);
	pthread_rwlock_unlock(&ducks);
	return NULL;
}

static void recursive_read(void)
{
	make_rwlock(&ducks, FAIR, PTHREAD_PROCESS_PRIVATE);
	one_after_the_other(read_twice, write_once);
}

static void recursive_read_default(void)
{
	make_rwlock(&ducks, PTHREAD_RWLOCK_DEFAULT_NP, PTHREAD_PROCESS_PRIVATE);
	one_after_the_other(read_twice, write_once);
	both_at_once(read_twice, write_once);
}

/* Two rwlocks, read in two orders: four threads, two of them writers */

THREAD(ducks_then_geese)
{
	pthread_rwlock_rdlock(&ducks);
	pthread_rwlock_rdlock(&geese);
	pthread_rwlock_unlock(&geese);
	pthread_rwlock_unlock(&ducks);
	return NULL;
}

THREAD(geese_then_ducks)
{
	pthread_rwlock_rdlock(&geese);
	pthread_rwlock_rdlock(&ducks);
	pthread_rwlock_unlock(&ducks);
	pthread_rwlock_unlock(&geese);
	return NULL;
}

THREAD(write_both)
{
	pthread_rwlock_wrlock(&ducks);
	pthread_rwlock_unlock(&ducks);
	pthread_rwlock_wrlock(&geese);
	pthread_rwlock_unlock(&geese);
	return NULL;
}

static void cross(int kind)
{
	make_rwlock(&ducks, kind, PTHREAD_PROCESS_PRIVATE);
	make_rwlock(&geese, kind, PTHREAD_PROCESS_PRIVATE);
	one_after_the_other(ducks_then_geese, write_both);
	one_after_the_other(geese_then_ducks, write_both);
}

static void cross_fair(void)
{
	cross(FAIR);
}

static void cross_default(void)
{
	cross(PTHREAD_RWLOCK_DEFAULT_NP);
	both_at_once(ducks_then_geese, geese_then_ducks);
}

/* The same by two processes, each of which has one thread */

static struct {
	pthread_rwlock_t ducks, geese;
} * pond;

static void wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || status != 0)
		exit(1);
}

static void two_processes(void)
{
	pid_t child;

	pond = mmap(NULL, sizeof(*pond), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pond == MAP_FAILED)
		exit(1);
	make_rwlock(&pond->ducks, FAIR, PTHREAD_PROCESS_SHARED);
	make_rwlock(&pond->geese, FAIR, PTHREAD_PROCESS_SHARED);
	child = fork();
	if (child == 0) {
		pthread_rwlock_rdlock(&pond->ducks);
		pthread_rwlock_rdlock(&pond->geese);
		pthread_rwlock_unlock(&pond->geese);
		pthread_rwlock_unlock(&pond->ducks);
		_exit(0);
	}
	wait_for(child);
	child = fork();
	if (child == 0) {
		pthread_rwlock_rdlock(&pond->geese);
		pthread_rwlock_rdlock(&pond->ducks);
		pthread_rwlock_unlock(&pond->ducks);
		pthread_rwlock_unlock(&pond->geese);
		_exit(0);
	}
	wait_for(child);
}

/* A condition: the mutex is given back meanwhile */

static pthread_cond_t ripe = PTHREAD_COND_INITIALIZER;
static int n_ripe;

THREAD(pick)
{
	pthread_mutex_lock(&apples);
	while (n_ripe == 0)
		pthread_cond_wait(&ripe, &apples);
	n_ripe--;
	pthread_mutex_unlock(&apples);
	return NULL;
}

THREAD(ripen)
{
	pthread_mutex_lock(&pears);
	pthread_mutex_lock(&apples);
	n_ripe++;
	pthread_cond_signal(&ripe);
	pthread_mutex_unlock(&apples);
	pthread_mutex_unlock(&pears);
	return NULL;
}

static void condition(void)
{
	both_at_once(pick, ripen);
}

/* Woken, it holds the mutex again, and takes another one */

THREAD(pick_with_pears)
{
	pthread_mutex_lock(&apples);
	while (n_ripe == 0)
		pthread_cond_wait(&ripe, &apples);
	pthread_mutex_lock(&pears);
	pthread_mutex_unlock(&pears);
	pthread_mutex_unlock(&apples);
	return NULL;
}

THREAD(ripen_first)
{
	pthread_mutex_lock(&apples);
	n_ripe++;
	pthread_cond_signal(&ripe);
	pthread_mutex_unlock(&apples);
	return NULL;
}

static void woken(void)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, pick_with_pears, NULL), "thread");
	usleep(50000);
	ripen_first(NULL);
	must(pthread_join(thread, NULL), "pthread_join");
	pears_then_apples(NULL);
}

/* Who waits for a condition and is cancelled gives the mutex back */

static void give_back(void *mutex)
{
	pthread_mutex_unlock(mutex);
}

THREAD(wait_for_ever)
{
	pthread_mutex_lock(&apples);
	pthread_cleanup_push(give_back, &apples);
	for (;;)
		pthread_cond_wait(&ripe, &apples);
	pthread_cleanup_pop(1);
	return NULL;
}

static void cancelled(void)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, wait_for_ever, NULL), "thread");
	usleep(50000);
	must(pthread_cancel(thread), "pthread_cancel");
	must(pthread_join(thread, NULL), "pthread_join");
	two_orders(); /* is found all the same */
}

/* One lock, twice */

static void recursive_mutex(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t mutex;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&mutex, &attr);
	for (int i = 0; i < 3; i++)
		pthread_mutex_lock(&mutex);
	for (int i = 0; i < 3; i++)
		pthread_mutex_unlock(&mutex);
	pthread_mutex_destroy(&mutex);
}

/* This one does hang, for somebody to look at: who is told by a pipe. */

THREAD(hold_pears)
{
	pthread_mutex_lock(&pears);
	usleep(200000);
	pthread_mutex_lock(&apples);
	return NULL;
}

static void hang(void)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, hold_pears, NULL), "thread");
	pthread_mutex_lock(&apples);
	usleep(400000);
	puts("ready");
	fflush(stdout);
	pthread_mutex_lock(&pears);
}

static const struct sample samples[] = {
	{ "two-orders", two_orders },
	{ "under-a-gate", under_a_gate },
	{ "with-a-try", with_a_try },
	{ "in-order", in_order },
	{ "c11-two-orders", c11_two_orders },
	{ "c11-in-order", c11_in_order },
	{ "c11-woken", c11_woken },
	{ "wrapped", wrapped },
	{ "philosophers", philosophers },
	{ "left-handed", left_handed },
	{ "recursive-read", recursive_read },
	{ "recursive-read-default", recursive_read_default },
	{ "cross", cross_fair },
	{ "cross-default", cross_default },
	{ "two-processes", two_processes },
	{ "condition", condition },
	{ "woken", woken },
	{ "cancelled", cancelled },
	{ "recursive-mutex", recursive_mutex },
	{ "hang", hang },
};

int main(int argc, char **argv)
{
	return run_sample(samples, sizeof(samples) / sizeof(samples[0]), argc,
			  argv);
}
