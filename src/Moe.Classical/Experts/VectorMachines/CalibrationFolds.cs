namespace Moe.Classical;

/// <summary>Deals rows to folds, each class as evenly as it goes.</summary>
internal static class CalibrationFolds
{
    /// <summary>The fold of each row. A class of two rows or more is never left without a row when one fold is left out.</summary>
    public static int[] Deal(int[] labels, int classes, int folds, long seed)
    {
        var members = new List<int>[classes];
        for (var label = 0; label < classes; label++)
            members[label] = [];
        for (var row = 0; row < labels.Length; row++)
            members[labels[row]].Add(row);
        var state = (ulong)seed;
        var dealt = 0;
        var fold = new int[labels.Length];
        foreach (var rows in members)
        {
            for (var place = rows.Count - 1; place > 0; place--)
            {
                var other = (int)(Next(ref state) % (ulong)(place + 1));
                (rows[place], rows[other]) = (rows[other], rows[place]);
            }
            foreach (var row in rows)
                fold[row] = dealt++ % folds;
        }
        return fold;
    }

    /// <summary>SplitMix64 (Steele, Lea and Flood 2014): the same numbers on every machine and version.</summary>
    private static ulong Next(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        var mixed = state;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }
}
