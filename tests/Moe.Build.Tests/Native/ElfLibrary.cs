using System.Text;

namespace Moe.Build.Native;

/// <summary>Writes the smallest library that has everything the task looks at, sound unless told otherwise.</summary>
internal sealed class ElfLibrary
{
    public const string Version = "GLIBCXX_3.4.32";
    public const string Symbol = "_ZSt21ios_base_library_initv";

    private readonly List<byte> names = [0];

    /// <summary>The versions wanted of libstdc++, each with the number that symbols refer to it by.</summary>
    public List<(string Name, int Index)> Needs { get; } = [("GLIBCXX_3.4", 2), (Version, 3), ("CXXABI_1.3", 4)];

    public List<(string Name, int VersionIndex)> Symbols { get; } = [("", 0), ("_Znwm", 2), (Symbol, 3), ("mine", 1)];

    /// <summary>The symbols, by their number, that relocations refer to.</summary>
    public List<int> Relocations { get; } = [1];

    public bool WithNeeds { get; set; } = true;

    public bool WithVersionsOfSymbols { get; set; } = true;

    /// <summary>Where in the bytes the flags of the version to weaken lie.</summary>
    public int FlagsOffset { get; private set; }

    public byte[] ToBytes()
    {
        var needs = VersionNeeds(out var flags);
        var symbols = Join(Symbols.Select(s => Bytes((NameOf(s.Name), 4), (0, 4), (0, 8), (0, 8))));
        var versions = Join(Symbols.Select(s => Bytes((s.VersionIndex, 2))));
        var relocations = Join(Relocations.Select(r => Bytes((0x1000, 8), (6, 4), (r, 4), (0, 8))));

        var sections = new List<(uint Type, byte[] Content, int Link, int Info)>
        {
            (0, [], 0, 0),
            (3, [.. names], 0, 0),
            (11, symbols, 1, 1),
            (4, relocations, 2, 0),
        };
        if (WithVersionsOfSymbols)
            sections.Add((0x6fffffff, versions, 2, 0));
        if (WithNeeds)
            sections.Add((0x6ffffffe, needs, 1, 1));

        return Assemble(sections, flags);
    }

    private byte[] Assemble(List<(uint Type, byte[] Content, int Link, int Info)> sections, int flagsInNeeds)
    {
        List<byte> content = [];
        List<byte> headers = [];
        foreach (var (type, bytes, link, info) in sections)
        {
            var offset = 64 + content.Count;
            if (type == 0x6ffffffe)
                FlagsOffset = offset + flagsInNeeds;
            headers.AddRange(Bytes((0, 4), (type, 4), (0, 8), (0, 8), (offset, 8), (bytes.Length, 8)));
            headers.AddRange(Bytes((link, 4), (info, 4), (1, 8), (0, 8)));
            content.AddRange(bytes);
        }

        byte[] identity = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, .. new byte[9]];
        byte[] header =
        [
            .. identity,
            .. Bytes((3, 2), (62, 2), (1, 4), (0, 8), (0, 8), (64 + content.Count, 8), (0, 4), (64, 2)),
            .. Bytes((56, 2), (0, 2), (64, 2), (sections.Count, 2), (0, 2)),
        ];
        return [.. header, .. content, .. headers];
    }

    private byte[] VersionNeeds(out int flags)
    {
        var bytes = new List<byte>(Bytes((1, 2), (Needs.Count, 2), (NameOf("libstdc++.so.6"), 4), (16, 4), (0, 4)));
        flags = 0;
        for (var i = 0; i < Needs.Count; i++)
        {
            if (Needs[i].Name == Version)
                flags = bytes.Count + 4;
            var next = i == Needs.Count - 1 ? 0 : 16;
            bytes.AddRange(Bytes((0, 4), (0, 2), (Needs[i].Index, 2), (NameOf(Needs[i].Name), 4), (next, 4)));
        }

        return [.. bytes];
    }

    private int NameOf(string name)
    {
        var offset = names.Count;
        names.AddRange(Encoding.UTF8.GetBytes(name));
        names.Add(0);
        return offset;
    }

    private static byte[] Bytes(params (long Value, int Size)[] numbers) =>
        Join(numbers.Select(number => BitConverter.GetBytes(number.Value)[..number.Size]));

    private static byte[] Join(IEnumerable<byte[]> parts) => [.. parts.SelectMany(part => part)];
}
