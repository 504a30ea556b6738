<?php
// What each report has done, and how it ended.
declare(strict_types=1);
require 'work.php';

$states = [];
foreach (glob(directory() . '/*.state') as $file) {
    $states[basename($file, '.state')] = json_decode(file_get_contents($file));
}
header('Content-Type: application/json');
echo json_encode((object) $states);
