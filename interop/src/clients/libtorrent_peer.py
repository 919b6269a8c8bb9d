"""libtorrent for the interop suite.
The name is not libtorrent.py: it would import itself.
usage: libtorrent_peer.py create PATH TORRENT PIECE_LENGTH [ANNOUNCE...]   prints the info hash; a tier for each tracker
       libtorrent_peer.py make      reads lines of v1|v2|hybrid|links PIECE_LENGTH PATH TORRENT, with tabs, and writes the torrents
       libtorrent_peer.py describe  reads names of torrents, and prints info hashes, pieces, and files with their roots
       libtorrent_peer.py seed|leech TORRENT|MAGNET FOLDER HOST:PORT [PEER...] [OPTION...]    a leech ends when it has everything
A peer prints `connected plain|plaintext|rc4 HOST` for each connection, which is its own opinion of it.
options: --out_enc_policy=P, --in_enc_policy=P, --allowed_enc_level=L, --prefer_rc4    as in libtorrent's settings
         --pex                   exchange peers
         --utp                   uTP and no TCP
         --download-limit=N      bytes per second"""

import os
import sys

import libtorrent as lt


def create(path, torrent, piece_length, *trackers):
    files = lt.file_storage()
    lt.add_files(files, path)
    maker = lt.create_torrent(files, int(piece_length), lt.create_torrent.v1_only)
    for tier, announce in enumerate(trackers):
        maker.add_tracker(announce, tier)
    lt.set_piece_hashes(maker, os.path.dirname(path))
    write(maker, torrent)
    print(lt.torrent_info(torrent).info_hashes().v1)


def make():
    kinds = lt.create_torrent
    kinds = {"v1": kinds.v1_only, "v2": kinds.v2_only, "hybrid": 0, "links": kinds.symlinks}
    for line in sys.stdin:
        kind, piece_length, path, torrent = line.rstrip("\n").split("\t")
        files = list(lt.list_files(path, lambda _: True, kinds[kind]))
        if kind == "v1":
            files.sort(key=lambda file: file.filename)
        maker = lt.create_torrent(files, int(piece_length), kinds[kind])
        lt.set_piece_hashes(maker, os.path.dirname(path))
        write(maker, torrent)


def describe():
    for path in sys.stdin:
        torrent = lt.torrent_info(path.rstrip("\n"))
        hashes, files = torrent.info_hashes(), torrent.files()
        print(hashes.v1 if hashes.has_v1() else "-", hashes.v2 if hashes.has_v2() else "-",
              torrent.num_pieces(), torrent.piece_length())
        for i in range(files.num_files()):
            if not files.file_flags(i) & lt.file_flags_t.flag_pad_file:
                offset = files.file_offset(i) if files.file_size(i) else "-"
                print(files.file_path(i), files.file_size(i), offset, files.root(i) if hashes.has_v2() else "-")


def write(maker, torrent):
    content = lt.bencode(maker.generate())
    with open(torrent, "wb") as out:
        out.write(content)


def peer(mode, torrent, folder, listen, *rest):
    peers = [word for word in rest if not word.startswith("--")]
    options = dict(word.partition("=")[::2] for word in rest if word.startswith("--"))
    settings = {
        "listen_interfaces": listen, "outgoing_interfaces": listen.rsplit(":", 1)[0],
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        # All peers here share one address, and it is a private one.
        "allow_multiple_connections_per_ip": True, "ssrf_mitigation": False,
        "unchoke_slots_limit": -1,
        # Trying uTP first takes long where the other side has none, and this suite is about TCP.
        "enable_outgoing_utp": False, "enable_incoming_utp": False,
        "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
        | lt.alert.category_t.peer_notification | lt.alert.category_t.connect_notification,
    }
    if "--out_enc_policy" in options:
        policies, levels = lt.enc_policy.names, lt.enc_level.names
        settings |= {"out_enc_policy": int(policies[options["--out_enc_policy"]]),
                     "in_enc_policy": int(policies[options["--in_enc_policy"]]),
                     "allowed_enc_level": int(levels[options["--allowed_enc_level"]]),
                     "prefer_rc4": "--prefer_rc4" in options}
    if "--utp" in options:
        settings |= {"enable_outgoing_utp": True, "enable_incoming_utp": True,
                     "enable_outgoing_tcp": False, "enable_incoming_tcp": False}
    session = lt.session(settings)
    if torrent.startswith("magnet:"):
        params = lt.parse_magnet_uri(torrent)
    else:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    if "--pex" not in options:
        params.flags |= lt.torrent_flags.disable_pex
    if "--download-limit" in options:
        params.download_limit = int(options["--download-limit"])
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(params)
    for address in peers:
        host, port = address.rsplit(":", 1)
        handle.connect_peer((host, int(port)))
    connected = set()
    while not (mode == "leech" and handle.status().is_seeding):
        session.wait_for_alert(200)
        for alert in session.pop_alerts():
            print(alert, file=sys.stderr, flush=True)
        for other in handle.get_peer_info():
            flags = int(other.flags)
            if not flags & (int(lt.peer_info.handshake) | int(lt.peer_info.connecting)) and other.ip not in connected:
                connected.add(other.ip)
                method = "rc4" if flags & int(lt.peer_info.rc4_encrypted) else \
                    "plaintext" if flags & int(lt.peer_info.plaintext_encrypted) else "plain"
                print("connected", method, other.ip[0], flush=True)


{"create": create, "make": make, "describe": describe}.get(sys.argv[1], lambda *rest: peer(sys.argv[1], *rest))(*sys.argv[2:])
