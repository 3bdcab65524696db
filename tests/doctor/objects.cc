// SPDX-License-Identifier: MIT
//
// objects.cc - locks of C++, right ones: they lie in objects that come and go,
// nobody makes or destroys them, and all are taken by the same few functions.
#include <condition_variable>
#include <iostream>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

struct Account {
	std::mutex mutex;
	int balance = 100;
};

struct Cache {
	std::shared_mutex shared;
	std::mutex inner;
	int value = 0;

	int get()
	{
		std::shared_lock reading(shared);
		std::lock_guard lock(inner);
		return value;
	}

	void set(int to)
	{
		std::unique_lock writing(shared);
		std::lock_guard lock(inner);
		value = to;
	}
};

static std::mutex registry;

struct First {
	std::mutex mutex;
	void work()
	{
		std::lock_guard mine(mutex);
		std::lock_guard all(registry);
	}
};

struct Second {
	std::mutex mutex;
	void work()
	{
		std::lock_guard all(registry);
		std::lock_guard mine(mutex);
	}
};

int main()
{
	std::vector<std::unique_ptr<Account>> accounts;
	std::vector<std::thread> threads;
	std::condition_variable changed;
	auto cache = std::make_unique<Cache>();
	std::mutex start;
	bool ready = false;

	for (int i = 0; i < 10; i++)
		accounts.push_back(std::make_unique<Account>());
	for (int k = 0; k < 4; k++)
		threads.emplace_back([&, k] {
			for (int i = 0; i < 500; i++) {
				Account &from = *accounts[(i * 7 + k) % 10];
				Account &to = *accounts[(i * 3 + 2 * k) % 10];

				if (&from == &to)
					continue;
				std::scoped_lock both(from.mutex, to.mutex);
				from.balance--;
				to.balance++;
			}
			cache->set(cache->get() + 1);
			std::unique_lock lock(start);
			changed.wait(lock, [&] { return ready; });
		});
	{
		std::lock_guard lock(start);
		ready = true;
	}
	changed.notify_all();
	for (auto &thread : threads)
		thread.join();

	// While an account is locked, another object's lock of the same kind
	// of function; and one object after the other at the same address.
	for (auto &account : accounts) {
		std::lock_guard lock(account->mutex);
		Cache().set(1);
		std::make_unique<Cache>()->set(2);
	}
	for (int i = 0; i < 10; i++) {
		std::make_unique<First>()->work();
		std::make_unique<Second>()->work();
	}
	std::cout << "done\n";
}
