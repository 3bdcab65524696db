# SPDX-License-Identifier: MIT
#
# Completion of mfill(1) for fish.

set -l commands pack index cat probe run doctor help

complete -c mfill -f
complete -c mfill -n "not __fish_seen_subcommand_from $commands" \
    -a pack -d 'compress a file so that any part of it can be read alone'
complete -c mfill -n "not __fish_seen_subcommand_from $commands" \
    -a index -d 'note where the frames of a zstd file are'
complete -c mfill -n "not __fish_seen_subcommand_from $commands" \
    -a cat -d 'write a source, or a part of it, to standard output'
complete -c mfill -n "not __fish_seen_subcommand_from $commands" \
    -a probe -d 'tell which facilities of this machine can be used'
complete -c mfill -n "not __fish_seen_subcommand_from $commands" \
    -a run -d 'run a program on files that are not there'
complete -c mfill -n "not __fish_seen_subcommand_from $commands" \
    -a doctor -d 'find deadlocks that did not happen'
complete -c mfill -n "not __fish_seen_subcommand_from $commands" \
    -a help -d 'show the options of a command'
complete -c mfill -n "__fish_seen_subcommand_from help" -a "$commands"
complete -c mfill -l help -d 'show the options'
complete -c mfill -l usage -d 'show the options in short'
complete -c mfill -l version -d 'show the version'

complete -c mfill -n "__fish_seen_subcommand_from pack index" -F
complete -c mfill -n "__fish_seen_subcommand_from pack index" \
    -s f -l force -d 'replace what is there'
complete -c mfill -n "__fish_seen_subcommand_from pack index" \
    -s q -l quiet -d 'show no progress'
complete -c mfill -n "__fish_seen_subcommand_from pack" \
    -s s -l frame-size -x -a '4K 16K 64K 256K 1M' -d 'bytes per frame'
complete -c mfill -n "__fish_seen_subcommand_from pack" \
    -s l -l level -x -a '1 3 6 12 19' -d 'compression level'
complete -c mfill -n "__fish_seen_subcommand_from pack" \
    -s T -l threads -x -d 'threads that compress'
complete -c mfill -n "__fish_seen_subcommand_from pack" \
    -s C -l checksum -d 'have a checksum of each frame'
complete -c mfill -n "__fish_seen_subcommand_from pack" \
    -l no-checksum -d 'have none'

complete -c mfill -n "__fish_seen_subcommand_from cat" -F
complete -c mfill -n "__fish_seen_subcommand_from cat" \
    -a 'file: zstd: error: delay:'
complete -c mfill -n "__fish_seen_subcommand_from cat" \
    -s r -l range -x -d 'only bytes A to B'

complete -c mfill -n "__fish_seen_subcommand_from cat run" \
    -l fill-size -x -a '4K 16K 64K 256K 1M 4M' -d 'bytes to fill at once'
complete -c mfill -n "__fish_seen_subcommand_from cat run" \
    -l backend -x -a 'auto guard mprotect uffd' -d 'how pages are hidden'
complete -c mfill -n "__fish_seen_subcommand_from cat run" \
    -l delivery -x -a 'auto inline thread' -d 'who fills them'
complete -c mfill -n "__fish_seen_subcommand_from cat run" \
    -l stats -d 'tell what was read'
complete -c mfill -n "__fish_seen_subcommand_from cat run probe doctor" \
    -l json -d 'as JSON'

complete -c mfill -n "__fish_seen_subcommand_from run doctor" \
    -s m -l map -r -F -d 'PATH=SOURCE: a file and where its bytes come from'
complete -c mfill -n "__fish_seen_subcommand_from run" \
    -l report -r -F -d 'write what was read to a file'
complete -c mfill -n "__fish_seen_subcommand_from run" \
    -s q -l quiet -d 'do not name sources that fail'
complete -c mfill -n "__fish_seen_subcommand_from run" \
    -l filter -x -a 'buffers all none' -d 'which system calls to trap'
complete -c mfill -n "__fish_seen_subcommand_from run" \
    -l no-filter -d 'do not trap system calls'
complete -c mfill -n "__fish_seen_subcommand_from run" \
    -l uffd -d 'serve userfaultfd'
complete -c mfill -n "__fish_seen_subcommand_from doctor" \
    -l fair -d 'take all read-write locks for fair ones'
complete -c mfill -n "__fish_seen_subcommand_from doctor" \
    -s o -l output -r -F -d 'write the report to a file'
complete -c mfill -n "__fish_seen_subcommand_from doctor" \
    -s q -l quiet -d 'say nothing when nothing is found'
complete -c mfill -n "__fish_seen_subcommand_from run doctor" \
    -a '(__fish_complete_subcommand)'
