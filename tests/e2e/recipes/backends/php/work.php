<?php
// What the two reports share: work for as long as it may, and its state in a file, since each request has a process of its own.
declare(strict_types=1);

function directory(): string
{
    return $_SERVER['STATE_DIRECTORY'];
}

function name(string $job): string
{
    return directory() . '/' . basename($job);
}

// Renamed into place: a reader never sees half of it.
function note(string $job, string $state, int $steps): void
{
    file_put_contents(name($job) . '.new', json_encode(['state' => $state, 'steps' => $steps]));
    rename(name($job) . '.new', name($job) . '.state');
}
